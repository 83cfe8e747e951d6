"""What a person begins again: a whole run that has no answer, or one model that gave none."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext_lazy

from runs import catalogue
from runs.actions.admission import admit, deadline, lock
from runs.actions.joining import GRACE
from runs.actions.start import ThreadBusy
from runs.actions.telling import tell_generation, tell_run
from runs.drafts import why_missing
from runs.events import GenerationRequeued, RunStarted
from runs.models import GENERATION_ACTIVE, RUN_ACTIVE, Generation, GenerationStatus, MultiModelRun, RunStatus
from threads.models import Message

WITHOUT_ANSWER = (RunStatus.FAILED, RunStatus.CANCELLED)


class Superseded(Exception):
    """The conversation has gone on since."""

    message = gettext_lazy("The conversation has gone on since. Send the prompt again at its end.")


def retry(run_id: UUID) -> bool:
    """Begin a failed or stopped run again: its drafts are kept, what has none is asked anew.

    Returns whether it did.

    Raises:
        ThreadBusy: another run is active in the thread.
        Superseded: another prompt follows it; an answer between the two would be in neither's history.
        TooManyRuns, Overloaded: as :func:`runs.actions.admit`.
        Thread.DoesNotExist: the thread is deleted.
    """
    with transaction.atomic():
        lock(MultiModelRun.objects.filter(pk=run_id))
        run = MultiModelRun.objects.select_related("prompt").filter(pk=run_id).first()
        if run is None or run.status not in WITHOUT_ANSWER or run.final_id:
            return False
        missing = [each for each in _candidates(run) if _can_be_asked_again(each)]
        _revive(run, RunStatus.QUEUED, len(missing))
        _ask_again(missing)
        tell_run(run, RunStarted)
    return True


def retry_generation(generation_id: UUID, model: str = "") -> bool:
    """Ask one model of a run anew, or another one in its place, and touch no other.

    A run without an answer goes on; one with an answer keeps it. Returns whether it did: only a candidate without a
    draft can be asked anew.

    Raises:
        ValidationError: the other model cannot be asked.
        ThreadBusy, Superseded: as :func:`retry`, when the run must go on for it.
        TooManyRuns, Overloaded, Thread.DoesNotExist: as :func:`retry`.
    """
    with transaction.atomic():
        lock(MultiModelRun.objects.filter(generations=generation_id))
        generation = Generation.objects.select_related("run__prompt").filter(pk=generation_id).first()
        if generation is None or not _can_be_asked_again(generation):
            return False
        if model:
            generation.model_id = catalogue.choose(model).id
        run = generation.run
        if run.status in WITHOUT_ANSWER:
            _revive(run, RunStatus.ANSWERING, 1)
            tell_run(run, RunStarted)
        elif run.cancel_requested_at:
            return False
        else:
            under_way = run.generations.filter(status__in=GENERATION_ACTIVE).exists()
            admit(run.owner_id, runs=0 if under_way else 1, generations=1)
            # Also a run that has its answer: until then the late draft may come.
            MultiModelRun.objects.filter(pk=run.pk).update(deadline_at=Greatest(F("deadline_at"), deadline()))
        _ask_again([generation])
        if model:
            Generation.objects.filter(pk=generation.pk).update(model_id=generation.model_id)
        tell_generation(generation, GenerationRequeued)
    return True


def is_superseded(run: MultiModelRun) -> bool:
    """Whether a later prompt follows a run that has no answer, on its branch."""
    return run.prompt.replies.filter(kind=Message.Kind.PROMPT).exists()


def _revive(run: MultiModelRun, status: RunStatus, generations: int) -> None:
    if MultiModelRun.objects.filter(thread=run.thread_id, status__in=RUN_ACTIVE).exists():
        raise ThreadBusy
    if is_superseded(run):
        raise Superseded
    admit(run.owner_id, runs=1, generations=generations)
    run.generations.filter(kind=Generation.Kind.SYNTHESIS).update(current=False)
    run.generations.update(late=False)  # the new final answer takes in what came after the old one had begun
    soft = None if run.soft_deadline is None else Now() + timedelta(seconds=run.soft_deadline)
    MultiModelRun.objects.filter(pk=run.pk).update(
        status=status,
        outcome="",
        queued_at=Now(),
        dispatched_at=None if status == RunStatus.QUEUED else Now(),
        soft_deadline_at=soft,
        deadline_at=deadline(),
        ended_at=None,
        synthesis_requested_at=None,
        cancel_requested_at=None,
        error_code="",
        error_message="",
    )


def _ask_again(candidates: Sequence[Generation]) -> None:
    Generation.objects.filter(pk__in=[candidate.pk for candidate in candidates]).update(
        status=GenerationStatus.QUEUED,
        failures=0,
        queued_at=Now(),
        next_retry_at=Now() + GRACE,
        waiting_for="",
        cancel_requested_at=None,
        late=False,
        finish_reason="",
        error_code="",
        error_message="",
        ended_at=None,
        lease_owner=None,
        lease_expires_at=None,
    )


def _candidates(run: MultiModelRun) -> QuerySet[Generation]:
    return run.generations.filter(kind=Generation.Kind.CANDIDATE).defer("sent_prompt")


def _can_be_asked_again(generation: Generation) -> bool:
    if generation.kind != Generation.Kind.CANDIDATE or generation.status in GENERATION_ACTIVE:
        return False
    return bool(why_missing(generation.status, generation.finish_reason, generation.text, generation.error_message))
