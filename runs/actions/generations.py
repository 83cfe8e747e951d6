"""How an attempt ends. Each write of a worker is conditional on the lease that its claim was given."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import uniform
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from runs import catalogue
from runs.actions.answers import publish
from runs.actions.claims import NO_THOUGHTS, Claim, Prompt, Thoughts
from runs.actions.endings import complete_run
from runs.actions.telling import tell_generation
from runs.events import GenerationCancelled, GenerationCompleted, GenerationFailed, GenerationRequeued
from runs.models import Generation, GenerationStatus, MultiModelRun, RunStatus
from runs.snapshot import generation_view
from threads.actions import add_message, lock_threads
from threads.models import Message, Thread
from threads.telling import tell_on_commit

BACKOFF_SECONDS = (1.0, 2.0, 4.0)
_STORED = ("ended_at", "first_token_at", "cancel_requested_at", "cost")
"""What the database alone knows exactly of a text that is whole."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What an attempt brought, whichever way it ended."""

    text: str
    finish_reason: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None
    first_token_after: float | None = None
    """Seconds from the request to the vendor to the first piece of text."""
    thoughts: Thoughts = NO_THOUGHTS
    prompt: Prompt | None = None
    """What was sent, if the row does not have it yet."""

    def unsaved_prompt(self) -> dict[str, Any]:
        """As the row has it."""
        return {} if self.prompt is None else {"sent_prompt": self.prompt}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt ended without its whole text."""

    code: str
    message: str
    tries: int | None = 1
    """How many attempts may end in an error before the generation has failed; ``None`` for as many as any may."""
    retry_after: float | None = None
    """Seconds that the vendor asks to wait."""


def complete(held: Claim, ending: Ending) -> bool:
    """The whole text is here: keep it as a draft, or as the final answer and end of the run."""
    keep = _keep_draft if held.generation.kind == Generation.Kind.CANDIDATE else _keep_final
    with transaction.atomic():
        return keep(held, ending)


def fail(held: Claim, ending: Ending, failure: Failure) -> float | None:
    """An attempt ended in an error: queue the next one, or give the generation up; one that was stopped is halted.

    Returns:
        Seconds after which it may be tried again, or ``None`` when it will not be.
    """
    if held.rows().exclude(cancel_requested_at=None, run__cancel_requested_at=None).exists():
        halt(held, ending)
        return None
    wait = _wait(held.generation, failure)
    error: dict[str, Any] = {
        "error_code": failure.code,
        "error_message": failure.message,
        "failures": F("failures") + 1,
    }
    if wait is not None:
        kept = error | ending.unsaved_prompt()
        return wait if requeue(held.generation, held.rows(), timedelta(seconds=wait), **kept) else None
    with transaction.atomic():
        if _end(held, GenerationStatus.FAILED, ending, **error):
            tell_generation(held.generation, GenerationFailed)
    return None


def halt(held: Claim, ending: Ending) -> None:
    """End an attempt because a person stopped it; what came is kept."""
    with transaction.atomic():
        if _end(held, GenerationStatus.CANCELLED, ending):
            tell_generation(held.generation, GenerationCancelled)


def release(held: Claim) -> None:
    """Give the lease back because this process ends; another one begins a new attempt. Counts as no failure."""
    requeue(held.generation, held.rows())


def requeue(generation: Generation, rows: "QuerySet[Generation]", wait: timedelta = timedelta(), **fields: Any) -> bool:
    """Put ``rows``, which is ``generation`` or nothing, back for another attempt. Returns whether it was done."""
    with transaction.atomic():
        changed = rows.update(
            status=GenerationStatus.QUEUED,
            lease_owner=None,
            lease_expires_at=None,
            next_retry_at=Now() + wait if wait else Now(),
            **fields,
        )
        if changed:
            tell_generation(generation, GenerationRequeued)
    return bool(changed)


def _keep_draft(held: Claim, ending: Ending) -> bool:
    """Keep a draft in its lane. One that lands after the join is late: the join holds the rows that it reads."""
    generation, run = held.generation, held.generation.run
    try:
        message = add_message(
            generation.thread_id,
            Message.Kind.DRAFT,
            ending.text,
            parent_id=run.prompt_id,
            model_id=generation.model_id,
        )
    except Thread.DoesNotExist:
        return False
    if not _end(held, GenerationStatus.COMPLETED, ending, message=message):
        transaction.set_rollback(True)
        return False
    # The run is read after the row is held: a statement that had to wait for the row would see it as before the join.
    if _tell_completed(generation) not in (RunStatus.QUEUED, RunStatus.ANSWERING):
        generation.late = True
        Generation.objects.filter(pk=generation.pk).update(late=True)
    return True


def _keep_final(held: Claim, ending: Ending) -> bool:
    """Keep the final answer in the thread and end the run with it, or put a further version in the place of the old."""
    generation = held.generation
    lock_threads(Thread.objects.filter(pk=generation.thread_id))
    if not _end(held, GenerationStatus.COMPLETED, ending, unless_stopped=True):
        halt(held, ending)
        return False
    _tell_completed(generation)
    done = (complete_run if generation.current else publish)(generation, ending.text)
    if not done:
        transaction.set_rollback(True)
    return done


def _wait(generation: Generation, failure: Failure) -> float | None:
    """Seconds before the next attempt: as the vendor asked, else a random part of a doubling wait (full jitter)."""
    failures = generation.failures + 1
    if failures >= min(failure.tries or settings.ATTEMPTS_MAX, settings.ATTEMPTS_MAX):
        return None
    longest = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1]
    wait = uniform(0, longest) if failure.retry_after is None else failure.retry_after  # noqa: S311 (not a secret)
    reserved = settings.SYNTHESIS_TIMEOUT if generation.kind == Generation.Kind.CANDIDATE else 0
    in_time = Q(deadline_at__gt=Now() + timedelta(seconds=wait + reserved))
    run = MultiModelRun.objects.filter(in_time, pk=generation.run_id, cancel_requested_at=None)
    return wait if run.exists() else None


def _end(held: Claim, status: GenerationStatus, ending: Ending, *, unless_stopped: bool = False, **more: Any) -> bool:
    after = ending.first_token_after
    rows = held.rows().filter(cancel_requested_at=None) if unless_stopped else held.rows()
    fields = {
        "status": status,
        "text": ending.text,
        "finish_reason": ending.finish_reason,
        "tokens_in": ending.tokens_in,
        "tokens_out": ending.tokens_out,
        "tokens_cached": ending.tokens_cached,
        "tokens_reasoning": ending.tokens_reasoning,
        **ending.thoughts.fields(),
    }
    changed = rows.update(
        lease_owner=None,
        lease_expires_at=None,
        cost=_cost(held.generation, ending),
        first_token_at=None if after is None else F("started_at") + timedelta(seconds=after),
        ended_at=Now(),
        **fields,
        **ending.unsaved_prompt(),
        **more,
    )
    if changed:
        for name, value in fields.items():
            setattr(held.generation, name, value)
    return bool(changed)


def _tell_completed(generation: Generation) -> str:
    """Tell that a text is whole, which stands in this transaction's row. Returns how far its run is."""
    stored = Generation.objects.values(*_STORED, "run__status").get(pk=generation.pk)
    for name in _STORED:
        setattr(generation, name, stored[name])
    run = str(generation.run_id)
    tell_on_commit(
        generation.run.thread_id, lambda: GenerationCompleted(run=run, generation=generation_view(generation))
    )
    return str(stored["run__status"])


def _cost(generation: Generation, ending: Ending) -> Decimal | None:
    return catalogue.describe(generation.model_id).cost(ending.tokens_in, ending.tokens_out)
