"""How a run ends: with a final answer, in failure, or because a person stopped it."""

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from runs.actions.telling import tell_on_commit, tell_run
from runs.events import RunCancelled, RunCompleted, RunFailed
from runs.models import RUN_ACTIVE, Generation, MultiModelRun, RunStatus
from runs.snapshot import run_event_view
from threads.actions import add_message, revise_message
from threads.models import Message
from threads.snapshot import message_view

Runs = QuerySet[MultiModelRun]


def complete_run(generation: Generation, text: str) -> bool:
    """The run of this generation ends with ``text`` as its final answer: the run and the message in one transaction.

    Returns whether it did; a run that is over already stays as it is, and the caller's transaction is rolled back.
    """
    run = generation.run
    with transaction.atomic(savepoint=False):
        changed = MultiModelRun.objects.filter(pk=run.pk, status=RunStatus.SYNTHESIZING).update(
            status=RunStatus.COMPLETED, ended_at=Now()
        )
        if not changed:
            transaction.set_rollback(True)
            return False
        put_answer(run, text, generation.model_id)
    return True


def put_answer(run: MultiModelRun, text: str, model_id: str) -> None:
    """The one final message of a run says this from now on. Part of the transaction that completes or revises it."""
    final = Message.objects.filter(final_of=run.pk).first()
    if final is None:
        final = add_message(run.thread, Message.Kind.FINAL, text, parent=run.prompt, model_id=model_id)
        MultiModelRun.objects.filter(pk=run.pk).update(final=final)
    else:
        revise_message(final, text, model_id)
    view = message_view(final)
    tell_on_commit(run.thread_id, lambda: RunCompleted(run=run_event_view(run.pk), message=view))


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
