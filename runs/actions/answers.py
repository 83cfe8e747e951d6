"""The final answer after it stands: another version of it, or another text in its place.

A run has one final message, whatever its text was before (docs/decisions/0014-several-syntheses.md).
"""

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs import catalogue
from runs.actions.admission import admit, deadline, lock
from runs.actions.endings import put_answer
from runs.actions.joining import create_synthesis, gave_a_draft
from runs.actions.retrying import Superseded, is_superseded
from runs.actions.stopping import stop_queued
from runs.actions.telling import tell_run
from runs.events import RunRevising
from runs.models import GENERATION_ACTIVE, Generation, GenerationStatus, MultiModelRun, Outcome, RunStatus

VERSIONS_MAX = 10
"""How many versions of one final answer may exist: each snapshot of its run carries all of them."""


class TooFewDrafts(Exception):
    """There are no two drafts to write another version from."""

    message = gettext_lazy("Another version needs two answers at least. Ask a model that has not answered once more.")


def rewrite(run_id: UUID, master: str = "") -> bool:
    """Let a master write another version of a final answer, from all drafts that are there by now.

    The run keeps the answer that it has until the new version is whole. Returns whether one was begun: only for a run
    that has its answer and of which nobody writes a version now.

    Raises:
        ValidationError: the master cannot be asked, or there are as many versions as there may be.
        TooFewDrafts: there are no two drafts.
        TooManyRuns, Overloaded: as :func:`runs.actions.admit`.
        Thread.DoesNotExist: the thread is deleted.
    """
    with transaction.atomic():
        lock(MultiModelRun.objects.filter(pk=run_id))
        run = MultiModelRun.objects.select_related("thread").filter(pk=run_id, status=RunStatus.COMPLETED).first()
        if run is None or _versions(run).filter(status__in=GENERATION_ACTIVE).exists():
            return False
        author = catalogue.choose(master or _last_author(run)).id
        drafts = [each for each in _candidates(run) if gave_a_draft(each)]
        if len(drafts) < 2:
            raise TooFewDrafts
        _check_room(run)
        admit(run.owner_id, runs=1, generations=1)
        MultiModelRun.objects.filter(pk=run.pk).update(
            deadline_at=Greatest(F("deadline_at"), deadline()), cancel_requested_at=None
        )
        create_synthesis(
            run, drafts, author, before=_versions(run).only("kind", "version"), current=False, queued_at=Now()
        )
        tell_run(run, RunRevising)
    return True


def use(generation_id: UUID) -> bool:
    """Make a text the final answer of its run: a draft, in place of any synthesis, or an earlier version.

    Who still writes a synthesis is stopped; models that still write their drafts go on and will be late. Returns
    whether the answer is another one now.

    Raises:
        Superseded: the run has no answer and a later prompt stands in the thread, as :func:`runs.actions.retry`.
        Thread.DoesNotExist: the thread is deleted.
    """
    with transaction.atomic():
        lock(MultiModelRun.objects.filter(generations=generation_id))
        generation = (
            Generation.objects.select_related("run__prompt", "run__thread")
            .defer("sent_prompt")
            .filter(pk=generation_id, status=GenerationStatus.COMPLETED)
            .first()
        )
        if generation is None or not _can_be_used(generation):
            return False
        run = generation.run
        if run.status != RunStatus.COMPLETED and is_superseded(run):
            raise Superseded
        _stop_writing(run)
        _answer_with(generation)
    return True


def publish(version: Generation, text: str) -> bool:
    """A further version is whole: it counts from now on. Returns whether its run still wants it.

    The caller holds the thread, and has the lease of the version.
    """
    run = MultiModelRun.objects.get(pk=version.run_id)
    if run.status != RunStatus.COMPLETED:
        return False
    version.run, version.text = run, text
    _answer_with(version)
    return True


def _answer_with(generation: Generation) -> None:
    run = generation.run
    chosen = generation if generation.kind == Generation.Kind.CANDIDATE else None
    if chosen is None:
        _versions(run).filter(current=True).update(current=False)
        _versions(run).filter(pk=generation.pk).update(current=True)
        generation.current = True
    fields: dict[str, Any] = {"outcome": Outcome.CHOSEN if chosen else _outcome(generation)}
    if run.status != RunStatus.COMPLETED:
        fields |= {"error_code": "", "error_message": "", "cancel_requested_at": None}
    MultiModelRun.objects.filter(pk=run.pk).update(
        status=RunStatus.COMPLETED,
        chosen=chosen,
        ended_at=Coalesce(F("ended_at"), Now()),
        final=put_answer(run, generation.text, generation.model_id),
        **fields,
    )


def _can_be_used(generation: Generation) -> bool:
    run = generation.run
    if generation.kind == Generation.Kind.SYNTHESIS:
        return run.status == RunStatus.COMPLETED and not (generation.current and run.chosen_id is None)
    if not gave_a_draft(generation) or run.chosen_id == generation.pk:
        return False
    if run.status == RunStatus.COMPLETED:
        return run.outcome != Outcome.SINGLE or run.final is None or run.final.content != generation.text
    return run.status in (RunStatus.FAILED, RunStatus.CANCELLED) or run.cancel_requested_at is None


def _stop_writing(run: MultiModelRun) -> None:
    """No synthesis of this run may come to its end any more."""
    _versions(run).filter(status__in=GENERATION_ACTIVE).update(cancel_requested_at=Now())
    stop_queued(_versions(run))


def _outcome(synthesis: Generation) -> Outcome:
    everybody = len(synthesis.labels or {}) == _candidates(synthesis.run).count()
    return Outcome.FULL if everybody else Outcome.DEGRADED


def _check_room(run: MultiModelRun) -> None:
    if _versions(run).filter(status=GenerationStatus.COMPLETED).count() >= VERSIONS_MAX:
        raise ValidationError(
            _("This final answer has %(count)d versions, which is the most. Use one of them."),
            params={"count": VERSIONS_MAX},
        )


def _last_author(run: MultiModelRun) -> str:
    author = _versions(run).filter(current=True).values_list("model_id", flat=True).first()
    return author or run.master_model


def _versions(run: MultiModelRun) -> QuerySet[Generation]:
    return run.generations.filter(kind=Generation.Kind.SYNTHESIS)


def _candidates(run: MultiModelRun) -> QuerySet[Generation]:
    return run.generations.filter(kind=Generation.Kind.CANDIDATE).defer("sent_prompt")
