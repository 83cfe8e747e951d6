"""The join: from drafts to the final answer. Tried after each commit that may allow it; one try wins."""

import random
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs import catalogue
from runs.actions import claims, gates
from runs.actions.endings import cancel_run, complete_run, fail_run
from runs.actions.stopping import finish_cancel
from runs.actions.telling import tell_run
from runs.drafts import REFUSAL, why_missing
from runs.events import RunSynthesizing
from runs.models import GENERATION_ACTIVE, Generation, GenerationStatus, MultiModelRun, Outcome, RunStatus
from threads.actions import lock_threads
from threads.models import Thread

LAUNCH_GRACE = timedelta(seconds=5)
"""How long a run that was saved may wait until it is launched before the sweeper launches it."""
GRACE = timedelta(seconds=30)
"""How long a task that was just enqueued may wait before the sweeper enqueues it again."""


class NoDraftYet(Exception):
    """No draft is there to write the final answer from."""

    message = gettext_lazy("No model has finished its answer yet. Wait for the first one, then ask again.")


def take_up(run_id: UUID) -> list[UUID] | None:
    """``queued -> answering``: the candidates to launch, or ``None`` when somebody else launched them."""
    with transaction.atomic():
        runs = MultiModelRun.objects.filter(pk=run_id, status=RunStatus.QUEUED, cancel_requested_at=None)
        if not runs.update(status=RunStatus.ANSWERING, dispatched_at=Now()):
            return None
        waiting = Generation.objects.filter(
            run_id=run_id, kind=Generation.Kind.CANDIDATE, status=GenerationStatus.QUEUED
        )
        waiting.update(next_retry_at=Now() + GRACE)
        return list(waiting.values_list("pk", flat=True))


def settle(run_id: UUID, *, take: bool = False) -> Generation | None:
    """Bring a run on when its drafts are there, or its synthesis has failed.

    Returns the synthesis that this call made. It waits for a worker, or has the lease of a caller who wants to ``take``
    the first one at once; not so if its provider has a limit, or its time is over.
    """
    under_way = (RunStatus.ANSWERING, RunStatus.SYNTHESIZING)
    if not MultiModelRun.objects.filter(pk=run_id, status__in=under_way).exists():
        return None
    with transaction.atomic():
        lock_threads(Thread.objects.filter(runs=run_id))
        rows = MultiModelRun.objects.annotate(now=Now()).select_for_update(of=("self",)).order_by()
        if take:
            rows = rows.select_related("prompt", "thread")
        run = rows.filter(pk=run_id).first()
        if run is None:  # deleted meanwhile
            return None
        if run.status == RunStatus.ANSWERING:
            return _conclude_answers(run, run.now, take=take)  # type: ignore[attr-defined]  # annotated
        return _conclude_synthesis(run_id)


def request_synthesis(run_id: UUID) -> bool:
    """Let the final answer be written from the drafts that are there; who still writes will be late.

    Returns whether it was asked of a run that waited for drafts; the caller then settles it.

    Raises:
        NoDraftYet: there is no draft.
    """
    waiting = MultiModelRun.objects.filter(pk=run_id, status=RunStatus.ANSWERING, cancel_requested_at=None)
    asked = waiting.filter(Exists(_drafts())).update(synthesis_requested_at=Now())
    if not asked and waiting.exists():
        raise NoDraftYet
    return bool(asked)


def joinable() -> QuerySet[MultiModelRun]:
    """Those that wait for drafts no longer, as :func:`settle` sees it: a query for whoever looks at all runs."""
    active = Generation.objects.filter(run=OuterRef("pk"), kind=Generation.Kind.CANDIDATE, status__in=GENERATION_ACTIVE)
    count = _drafts().order_by().values("run").annotate(count=Count("pk")).values("count")
    quorum = Q(soft_deadline_at__lte=Now(), minimum__lte=Subquery(count)) | Q(synthesis_requested_at__isnull=False)
    answering = MultiModelRun.objects.filter(status=RunStatus.ANSWERING)
    return answering.filter(~Exists(active) | (quorum & Exists(_drafts())))


def letter(index: int) -> str:
    """A, B, … Z, AA, AB, …: the name of a draft in a synthesis."""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


def fallbacks(run: MultiModelRun, *, after: int) -> list[str]:
    """The model ids that may still write the final answer when the author at this position cannot."""
    known = {model.id for model in catalogue.available()}
    authors = [model_id for model_id in settings.FALLBACK_MASTERS if model_id != run.master_model and model_id in known]
    return authors[after:]


def _drafts() -> QuerySet[Generation]:
    """What counts as a draft (``runs.drafts``), as far as a query can tell."""
    whole = Generation.objects.filter(
        run=OuterRef("pk"), kind=Generation.Kind.CANDIDATE, status=GenerationStatus.COMPLETED
    )
    return whole.exclude(finish_reason=REFUSAL).exclude(text="")


def _conclude_answers(run: MultiModelRun, now: datetime, *, take: bool) -> Generation | None:
    # Held until the join is committed: a draft that lands meanwhile waits, and is then late.
    generations = sorted(
        run.generations.defer("sent_prompt").select_for_update().order_by("pk"), key=lambda each: each.place
    )
    candidates = [each for each in generations if each.kind == Generation.Kind.CANDIDATE]
    drafts = [candidate for candidate in candidates if gave_a_draft(candidate)]
    if not _may_join(run, candidates, len(drafts), now):
        return None
    answering = MultiModelRun.objects.filter(status=RunStatus.ANSWERING)
    if run.cancel_requested_at or all(each.status == GenerationStatus.CANCELLED for each in candidates):
        cancel_run(run.pk, answering)
    elif len(drafts) < _needed(run):
        fail_run(run.pk, answering, *_too_few(run, candidates, len(drafts)), outcome=Outcome.NONE)
    elif len(drafts) == 1:
        _begin_synthesis(run, Outcome.SINGLE)
        complete_run(drafts[0], drafts[0].text)
    else:
        _begin_synthesis(run, Outcome.FULL if len(drafts) == len(candidates) else Outcome.DEGRADED)
        taken = take and run.deadline_at > now and not gates.has_limit(run.master_model)
        lease = claims.leased(now) if taken else {}
        synthesis = create_synthesis(run, drafts, run.master_model, before=generations, **lease)
        tell_run(run, RunSynthesizing)
        return synthesis
    return None


def _may_join(run: MultiModelRun, candidates: Sequence[Generation], drafts: int, now: datetime) -> bool:
    """Whether nobody is waited for any longer: all have ended, or a quorum allows to go on without the rest."""
    if not any(candidate.status in GENERATION_ACTIVE for candidate in candidates):
        return True
    over = run.soft_deadline_at is not None and run.soft_deadline_at <= now
    return drafts >= max(1, _needed(run)) and (over or run.synthesis_requested_at is not None)


def _needed(run: MultiModelRun) -> int:
    """How many drafts the final answer needs."""
    return 1 if run.synthesis_requested_at else run.minimum


def _conclude_synthesis(run_id: UUID) -> Generation | None:
    """A synthesis that ended without a final answer: another master is asked, or the run ends and keeps its drafts."""
    synthesis = (
        Generation.objects.select_related("run")
        .filter(run_id=run_id, kind=Generation.Kind.SYNTHESIS, current=True, run__status=RunStatus.SYNTHESIZING)
        .first()
    )
    if synthesis is None or synthesis.status == GenerationStatus.CANCELLED:
        finish_cancel(run_id)
    elif synthesis.status == GenerationStatus.FAILED and not synthesis.run.cancel_requested_at:
        if next_synthesis := _ask_next_master(synthesis):
            return next_synthesis
        _give_up(synthesis)
    elif synthesis.status == GenerationStatus.FAILED:
        finish_cancel(run_id)
    return None


def _ask_next_master(failed: Generation) -> Generation | None:
    """Let the next fallback master write from the same drafts under the same letters, while there is time."""
    run = failed.run
    others = fallbacks(run, after=failed.position)
    in_time = MultiModelRun.objects.filter(pk=run.pk, deadline_at__gt=Now() + timedelta(seconds=5)).exists()
    if not others or not in_time:
        return None
    Generation.objects.filter(pk=failed.pk).update(current=False)
    synthesis = _create(
        run, others[0], failed.position + 1, failed.version, labels=failed.labels or {}, seed=failed.shuffle_seed
    )
    tell_run(run, RunSynthesizing)
    return synthesis


def _give_up(failed: Generation) -> None:
    label = catalogue.describe(failed.model_id).label
    cause = {"model": label, "cause": failed.error_message}
    sentence = _("%(model)s could not write the final answer. %(cause)s") % cause
    still_failed = Exists(Generation.objects.filter(pk=failed.pk, current=True, status=GenerationStatus.FAILED))
    synthesizing = MultiModelRun.objects.filter(still_failed, status=RunStatus.SYNTHESIZING)
    fail_run(failed.run_id, synthesizing, "synthesis_failed", sentence)


def create_synthesis(
    run: MultiModelRun, drafts: Sequence[Generation], author: str, *, before: Iterable[Generation], **fields: Any
) -> Generation:
    """A further version of the final answer, from these drafts under letters that are shuffled for it.

    ``before``: those of the run's generations among which all earlier versions are.
    """
    seed = secrets.randbits(62)
    shuffled = list(drafts)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (an order that can be told again from its seed, not a secret)
    labels = {letter(index): str(draft.pk) for index, draft in enumerate(shuffled)}
    last = max((each.version for each in before if each.kind == Generation.Kind.SYNTHESIS), default=0)
    return _create(run, author, 0, last + 1, labels=labels, seed=seed, **fields)


def gave_a_draft(candidate: Generation) -> bool:
    """Whether a final answer can be written from it, or it can be one."""
    return not _why_missing(candidate)


def _create(
    run: MultiModelRun,
    model_id: str,
    position: int,
    version: int,
    *,
    labels: dict[str, str],
    seed: int | None,
    **fields: Any,
) -> Generation:
    return Generation.objects.create(
        run=run,
        kind=Generation.Kind.SYNTHESIS,
        role=Generation.Role.MASTER,
        position=position,
        version=version,
        model_id=model_id,
        thread_id=run.thread_id,
        labels=labels,
        shuffle_seed=seed,
        **{"next_retry_at": Now() + GRACE, **fields},
    )


def _why_missing(candidate: Generation) -> str:
    return why_missing(candidate.status, candidate.finish_reason, candidate.text, candidate.error_message)


def _too_few(run: MultiModelRun, candidates: Sequence[Generation], drafts: int) -> tuple[str, str]:
    """The code and the sentences of a run that cannot be answered, with each cause."""
    missing = [(candidate, _why_missing(candidate)) for candidate in candidates]
    causes = [f"{catalogue.describe(each.model_id).label}: {why}" for each, why in missing if why]
    if not drafts:
        return "no_draft", " ".join([_("No model answered."), *causes])
    counts = {"count": drafts, "minimum": run.minimum}
    sentence = _("%(count)d answered; this run asks for %(minimum)d answers at least.") % counts
    return "too_few_drafts", " ".join([sentence, *causes])


def _begin_synthesis(run: MultiModelRun, outcome: Outcome) -> None:
    """The caller holds the run."""
    run.status, run.outcome = RunStatus.SYNTHESIZING, outcome
    MultiModelRun.objects.filter(pk=run.pk).update(status=run.status, outcome=outcome)
