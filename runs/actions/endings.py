"""How a run ends: with a final answer, in failure, or because a person stopped it."""

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from runs.actions.telling import tell_run
from runs.events import RunCancelled, RunCompleted, RunFailed
from runs.models import RUN_ACTIVE, Generation, MultiModelRun, RunStatus
from runs.snapshot import run_event_view
from threads.actions import add_message, revise_message
from threads.models import Message
from threads.snapshot import message_view
from threads.telling import tell_on_commit

Runs = QuerySet[MultiModelRun]


def complete_run(generation: Generation, text: str) -> bool:
    """The run of this generation ends with ``text`` as its final answer: the run and the message in one transaction.

    Returns whether it did; a run that is over already stays as it is, and the caller's transaction is rolled back.
    """
    run = generation.run
    synthesizing = MultiModelRun.objects.filter(pk=run.pk, status=RunStatus.SYNTHESIZING)
    with transaction.atomic(savepoint=False):
        final = put_answer(run, text, generation.model_id)
        if synthesizing.update(status=RunStatus.COMPLETED, ended_at=Now(), final=final):
            return True
        transaction.set_rollback(True)
    return False


def put_answer(run: MultiModelRun, text: str, model_id: str) -> Message:
    """The one final message of a run says this from now on; the caller's transaction completes the run with it."""
    final = run.final
    if final is None:
        final = add_message(run.thread_id, Message.Kind.FINAL, text, parent_id=run.prompt_id, model_id=model_id)
    else:
        revise_message(final, text, model_id)
    tell_on_commit(run.thread_id, lambda: RunCompleted(run=run_event_view(run.pk), message=message_view(final)))
    return final


def fail_run(run_id: UUID, rows: Runs, code: str, message: str, **fields: str) -> bool:
    """End a run without an answer, if ``rows`` still holds it. Returns whether it did."""
    return _end(run_id, rows, RunStatus.FAILED, error_code=code, error_message=message, **fields)


def cancel_run(run_id: UUID, rows: Runs) -> bool:
    """End a run because a person stopped it, if ``rows`` still holds it. Returns whether it did."""
    return _end(run_id, rows, RunStatus.CANCELLED)


def _end(run_id: UUID, rows: Runs, status: RunStatus, **fields: str) -> bool:
    with transaction.atomic():
        if not rows.filter(pk=run_id, status__in=RUN_ACTIVE).update(status=status, ended_at=Now(), **fields):
            return False
        word = RunFailed if status == RunStatus.FAILED else RunCancelled
        tell_run(MultiModelRun.objects.get(pk=run_id), word)
    return True
