"""How an attempt ends. Each write of a worker is conditional on the lease that its claim was given."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from random import uniform
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from runs import catalogue
from runs.actions.answers import publish
from runs.actions.claims import NO_THOUGHTS, Claim, Prompt, Thoughts, hold
from runs.actions.endings import complete_run
from runs.actions.telling import tell_generation
from runs.events import GenerationCancelled, GenerationCompleted, GenerationFailed, GenerationRequeued
from runs.models import Generation, GenerationStatus, MultiModelRun, RunStatus
from runs.snapshot import generation_view
from threads.actions import append, append_all, lock_threads
from threads.models import Message, Thread
from threads.telling import tell_on_commit

BACKOFF_SECONDS = (1.0, 2.0, 4.0)
BEFORE_THE_JOIN = (RunStatus.QUEUED, RunStatus.ANSWERING)
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


def complete_drafts(endings: Sequence[tuple[Claim, Ending]]) -> list[Claim | None]:
    """:func:`complete` of many drafts in a few queries and one for each; to each its claim, if it is kept.

    Nobody is waited for: where somebody holds the row or the lane at this moment, and where the claim or the thread is
    no more, a :func:`complete` by itself finds out.
    """
    with transaction.atomic():
        holding = set(hold([held for held, _ in endings], Generation.objects.all()))
        drafts = {held: (_draft(held, ending), ending) for held, ending in endings if held in holding}
        appended = set(append_all([message for message, _ in drafts.values()]))
        kept = {held: each for held, each in drafts.items() if each[0] in appended}
        for held, (message, ending) in kept.items():
            _end(held, GenerationStatus.COMPLETED, ending, message=message)
        _tell_drafts(list(kept))
    return [held if held in kept else None for held, _ in endings]


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
    message = _draft(held, ending)
    try:
        append(message)
    except Thread.DoesNotExist:
        return False
    if not _end(held, GenerationStatus.COMPLETED, ending, message=message):
        transaction.set_rollback(True)
        return False
    _tell_drafts([held])
    return True


def _draft(held: Claim, ending: Ending) -> Message:
    generation = held.generation
    return Message(
        thread_id=generation.thread_id,
        role=Message.Role.ASSISTANT,
        kind=Message.Kind.DRAFT,
        content=ending.text,
        parent_id=generation.run.prompt_id,
        model_id=generation.model_id,
    )


def _tell_drafts(claims: Sequence[Claim]) -> None:
    """Say that these drafts are whole, and mark those as late that have missed the join."""
    # Runs are read after the rows are held: a statement that had to wait for a row would see them as before the join.
    statuses = _tell_completed([held.generation for held in claims])
    late = [held.generation for held in claims if statuses[held.generation.pk] not in BEFORE_THE_JOIN]
    for generation in late:
        generation.late = True
    if late:
        Generation.objects.filter(pk__in=[generation.pk for generation in late]).update(late=True)


def _keep_final(held: Claim, ending: Ending) -> bool:
    """Keep the final answer in the thread and end the run with it, or put a further version in the place of the old."""
    generation = held.generation
    lock_threads(Thread.objects.filter(pk=generation.thread_id))
    if not _end(held, GenerationStatus.COMPLETED, ending, unless_stopped=True):
        halt(held, ending)
        return False
    _tell_completed([generation])
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


def _tell_completed(generations: Sequence[Generation]) -> dict[UUID, str]:
    """Tell that texts are whole, which stand in this transaction's rows. Returns how far the run of each is."""
    rows = Generation.objects.filter(pk__in=[generation.pk for generation in generations])
    stored = {row["pk"]: row for row in rows.values("pk", "run__status", *_STORED)}
    for generation in generations:
        for name in _STORED:
            setattr(generation, name, stored[generation.pk][name])
        tell_on_commit(generation.run.thread_id, partial(_completed, generation))
    return {pk: str(row["run__status"]) for pk, row in stored.items()}


def _completed(generation: Generation) -> GenerationCompleted:
    return GenerationCompleted(run=str(generation.run_id), generation=generation_view(generation))


def _cost(generation: Generation, ending: Ending) -> Decimal | None:
    return catalogue.describe(generation.model_id).cost(ending.tokens_in, ending.tokens_out)
