"""The verbs of a run between its start and its end."""

import random
import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs import catalogue
from runs.actions.endings import cancel_run, complete_run, fail_run
from runs.actions.start import ThreadBusy
from runs.actions.telling import tell_generation, tell_run
from runs.drafts import why_missing
from runs.events import GenerationCancelled, RunStarted, RunSynthesizing
from runs.models import GENERATION_ACTIVE, RUN_ACTIVE, Generation, GenerationStatus, MultiModelRun, Outcome, RunStatus
from threads.actions import lock_threads
from threads.models import Thread

GRACE = timedelta(seconds=30)
"""How long a task that was just enqueued may wait before the sweeper enqueues it again."""


def take_up(run_id: UUID) -> list[UUID] | None:
    """``queued -> answering``: the candidates to launch, or ``None`` when another worker launched them."""
    with transaction.atomic():
        runs = MultiModelRun.objects.filter(pk=run_id, status=RunStatus.QUEUED, cancel_requested_at=None)
        if not runs.update(status=RunStatus.ANSWERING, dispatched_at=Now()):
            return None
        waiting = Generation.objects.filter(
            run_id=run_id, kind=Generation.Kind.CANDIDATE, status=GenerationStatus.QUEUED
        )
        waiting.update(next_retry_at=Now() + GRACE)
        return list(waiting.values_list("pk", flat=True))


def settle(run_id: UUID) -> bool:
    """Bring a run on whose generations have ended: the one join, tried after each commit that ended one.

    Returns whether this call made a synthesis that now waits for a worker.
    """
    with transaction.atomic():
        lock_threads(Thread.objects.filter(runs=run_id))
        active = Generation.objects.filter(
            run=OuterRef("pk"), kind=Generation.Kind.CANDIDATE, status__in=GENERATION_ACTIVE
        )
        answered = MultiModelRun.objects.filter(~Exists(active), pk=run_id, status=RunStatus.ANSWERING)
        if answered.update(status=RunStatus.SYNTHESIZING):
            run = MultiModelRun.objects.select_related("prompt", "thread").get(pk=run_id)
            return _conclude_answers(run)
    _conclude_synthesis(run_id)
    return False


def request_cancel(run_id: UUID) -> bool:
    """Stop a run: what has not begun ends at once, what streams ends when its worker sees it, what has come is kept.

    Returns whether there was anything to stop.
    """
    with transaction.atomic():
        runs = MultiModelRun.objects.filter(pk=run_id, status__in=RUN_ACTIVE, cancel_requested_at=None)
        if not runs.update(cancel_requested_at=Now()):
            return False
        stop_waiting(run_id)
    finish_cancel(run_id)
    return True


def stop_waiting(run_id: UUID) -> None:
    """End the queued generations of a run that was asked to stop."""
    for generation in Generation.objects.select_related("run").filter(run_id=run_id, status=GenerationStatus.QUEUED):
        stopped = Generation.objects.filter(pk=generation.pk, status=GenerationStatus.QUEUED)
        if stopped.update(status=GenerationStatus.CANCELLED, ended_at=Now()):
            tell_generation(generation, GenerationCancelled)


def finish_cancel(run_id: UUID) -> bool:
    """End a run that was asked to stop once none of its generations is active. Returns whether it did."""
    active = Generation.objects.filter(run=OuterRef("pk"), status__in=GENERATION_ACTIVE)
    return cancel_run(run_id, MultiModelRun.objects.filter(~Exists(active), cancel_requested_at__isnull=False))


class Superseded(Exception):
    """The conversation has gone on since."""

    message = gettext_lazy("The conversation has gone on since. Send the prompt again at its end.")


def retry(run_id: UUID) -> bool:
    """Begin a failed or stopped run again: its drafts are kept, what has none is asked anew.

    Returns whether it did.

    Raises:
        ThreadBusy: another run is active in the thread.
        Superseded: a later prompt stands in the thread; an answer behind it would cut it out of the conversation.
    """
    ended = MultiModelRun.objects.filter(pk=run_id, status__in=[RunStatus.FAILED, RunStatus.CANCELLED], final=None)
    with transaction.atomic():
        lock_threads(Thread.objects.filter(runs=run_id))
        run = ended.select_related("prompt").first()
        if run is None:
            return False
        if MultiModelRun.objects.filter(thread=run.thread_id, status__in=RUN_ACTIVE).exists():
            raise ThreadBusy
        if MultiModelRun.objects.filter(thread=run.thread_id, prompt__position__gt=run.prompt.position).exists():
            raise Superseded
        changed = ended.update(
            status=RunStatus.QUEUED,
            outcome="",
            dispatched_at=None,
            ended_at=None,
            cancel_requested_at=None,
            error_code="",
            error_message="",
            deadline_at=Now() + timedelta(seconds=settings.RUN_TIMEOUT),
        )
        if changed:
            _ask_again(run_id)
            tell_run(run, RunStarted)
    return bool(changed)


def _ask_again(run_id: UUID) -> None:
    generations = Generation.objects.filter(run_id=run_id)
    generations.filter(kind=Generation.Kind.SYNTHESIS).update(current=False)
    candidates = generations.filter(kind=Generation.Kind.CANDIDATE)
    without_draft = [candidate.pk for candidate in candidates if _why_missing(candidate)]
    candidates.filter(pk__in=without_draft).update(
        status=GenerationStatus.QUEUED, failures=0, ended_at=None, lease_owner=None, lease_expires_at=None
    )


def _conclude_answers(run: MultiModelRun) -> bool:
    candidates = list(
        run.generations.filter(kind=Generation.Kind.CANDIDATE).select_related("run__prompt", "run__thread")
    )
    drafts = [candidate for candidate in candidates if not _why_missing(candidate)]
    joined = MultiModelRun.objects.filter(status=RunStatus.SYNTHESIZING)
    if run.cancel_requested_at:
        cancel_run(run.pk, joined)
    elif not drafts:
        _set_outcome(run, Outcome.NONE)
        fail_run(run.pk, joined, "no_draft", _no_draft(candidates))
    elif len(drafts) == 1:
        _set_outcome(run, Outcome.SINGLE)
        complete_run(drafts[0], drafts[0].text)
    else:
        _set_outcome(run, Outcome.FULL if len(drafts) == len(candidates) else Outcome.DEGRADED)
        _create_synthesis(run, drafts)
        tell_run(run, RunSynthesizing)
        return True
    return False


def _conclude_synthesis(run_id: UUID) -> None:
    """A synthesis that ended without a final answer ends its run; the drafts stay."""
    synthesis = Generation.objects.filter(run_id=run_id, kind=Generation.Kind.SYNTHESIS, current=True).first()
    if synthesis is None or synthesis.status == GenerationStatus.CANCELLED:
        finish_cancel(run_id)
    elif synthesis.status == GenerationStatus.FAILED:
        failed = Generation.objects.filter(pk=synthesis.pk, current=True, status=GenerationStatus.FAILED)
        label = catalogue.describe(synthesis.model_id).label
        cause = {"model": label, "cause": synthesis.error_message}
        fail_run(
            run_id,
            MultiModelRun.objects.filter(Exists(failed), status=RunStatus.SYNTHESIZING),
            "synthesis_failed",
            _("%(model)s could not write the final answer. %(cause)s") % cause,
        )


def _create_synthesis(run: MultiModelRun, drafts: Sequence[Generation]) -> None:
    seed = secrets.randbits(62)
    shuffled = list(drafts)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (an order that can be told again from its seed, not a secret)
    version = run.generations.filter(kind=Generation.Kind.SYNTHESIS).aggregate(last=Max("version"))["last"] or 0
    Generation.objects.create(
        run=run,
        kind=Generation.Kind.SYNTHESIS,
        role=Generation.Role.MASTER,
        version=version + 1,
        model_id=run.master_model,
        thread=run.thread,
        labels={letter(index): str(draft.pk) for index, draft in enumerate(shuffled)},
        shuffle_seed=seed,
        next_retry_at=Now() + GRACE,
    )


def letter(index: int) -> str:
    """A, B, … Z, AA, AB, …: the name of a draft in a synthesis."""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


def _why_missing(candidate: Generation) -> str:
    return why_missing(candidate.status, candidate.finish_reason, candidate.text, candidate.error_message)


def _no_draft(candidates: Sequence[Generation]) -> str:
    causes = [f"{catalogue.describe(each.model_id).label}: {_why_missing(each)}" for each in candidates]
    return " ".join([_("No model answered."), *causes])


def _set_outcome(run: MultiModelRun, outcome: Outcome) -> None:
    MultiModelRun.objects.filter(pk=run.pk).update(outcome=outcome)
