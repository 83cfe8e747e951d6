"""The verbs of a generation. Each write of a worker is conditional on the lease that its claim was given."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from random import uniform
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from runs import catalogue
from runs.actions.endings import complete_run
from runs.actions.telling import tell_generation, tell_on_commit
from runs.events import (
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationRequeued,
    GenerationRestarted,
    GenerationStarted,
)
from runs.models import Generation, GenerationStatus, MultiModelRun, RunStatus
from threads.actions import add_message, lock_threads
from threads.events import Event
from threads.models import Message, Thread

BACKOFF_SECONDS = (1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write one attempt at a generation until its lease ends or somebody else is given it."""

    generation: Generation
    owner: UUID

    def rows(self) -> "QuerySet[Generation]":
        """The generation's row as long as this claim holds, else no row."""
        return Generation.objects.filter(
            pk=self.generation.pk, lease_owner=self.owner, status=GenerationStatus.STREAMING
        )


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt ended without its whole text."""

    code: str
    message: str
    tries: int | None = 1
    """How many attempts may end in an error before the generation has failed; ``None`` for as many as any may."""
    retry_after: float | None = None
    """Seconds that the vendor asks to wait."""


class Hold(Enum):
    """What a claim is worth now."""

    KEPT = "kept"
    STOPPED = "stopped"
    """Somebody asked to stop the run."""
    LOST = "lost"
    """Somebody else has the generation, or it is gone: write nothing more."""


def claim(generation_id: UUID) -> Claim | None:
    """Take a queued generation for a new attempt; ``None`` when there is nothing to do."""
    owner = uuid4()
    with transaction.atomic():
        # The conditions on the row itself stay outside of any join: PostgreSQL checks only those again after a wait.
        changed = (
            Generation.objects.filter(pk=generation_id, status=GenerationStatus.QUEUED)
            .filter(_run_wants_it())
            .update(
                status=GenerationStatus.STREAMING,
                lease_owner=owner,
                lease_expires_at=_lease_end(),
                next_retry_at=None,
                attempt=F("attempt") + 1,
                text="",
                error_code="",
                error_message="",
                started_at=Now(),
                first_token_at=None,
                ended_at=None,
            )
        )
        if not changed:
            return None
        generation = Generation.objects.select_related("run__prompt", "run__thread", "thread").get(pk=generation_id)
        _tell_begun(generation)
    return Claim(generation, owner)


def store_prompt(held: Claim, turns: list[dict[str, str]]) -> Hold:
    """Keep exactly what is about to be sent to the model."""
    return _hold(held, held.rows().update(sent_prompt=turns))


def checkpoint(held: Claim, text: str) -> Hold:
    """Save what has come so far and renew the lease."""
    rows = held.rows().filter(run__in=MultiModelRun.objects.filter(cancel_requested_at=None))
    return _hold(held, rows.update(text=text, lease_expires_at=_lease_end()))


def complete(held: Claim, ending: Ending) -> bool:
    """The whole text is here: keep it as a draft, or as the final answer and end of the run."""
    generation = held.generation
    with transaction.atomic():
        lock_threads(Thread.objects.filter(pk=generation.thread_id))
        if not _end(held, GenerationStatus.COMPLETED, ending):
            return False
        tell_generation(generation, GenerationCompleted)
        if generation.kind == Generation.Kind.CANDIDATE:
            _keep_draft(generation, ending.text)
        elif not complete_run(generation, ending.text):
            transaction.set_rollback(True)
            return False
    return True


def fail(held: Claim, ending: Ending, failure: Failure) -> float | None:
    """An attempt ended in an error: queue the next one, or give the generation up.

    Returns:
        Seconds after which it may be tried again, or ``None`` when it will not be.
    """
    wait = _wait(held.generation, failure)
    error = {"error_code": failure.code, "error_message": failure.message, "failures": F("failures") + 1}
    if wait is not None:
        return wait if requeue(held.generation, held.rows(), timedelta(seconds=wait), **error) else None
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


def _keep_draft(generation: Generation, text: str) -> None:
    prompt = generation.run.prompt
    message = add_message(generation.thread, Message.Kind.DRAFT, text, parent=prompt, model_id=generation.model_id)
    Generation.objects.filter(pk=generation.pk).update(message=message)


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


def _end(held: Claim, status: GenerationStatus, ending: Ending, **more: Any) -> bool:
    after = ending.first_token_after
    return bool(
        held.rows().update(
            status=status,
            lease_owner=None,
            lease_expires_at=None,
            text=ending.text,
            finish_reason=ending.finish_reason,
            tokens_in=ending.tokens_in,
            tokens_out=ending.tokens_out,
            tokens_cached=ending.tokens_cached,
            tokens_reasoning=ending.tokens_reasoning,
            cost=_cost(held.generation, ending),
            first_token_at=None if after is None else F("started_at") + timedelta(seconds=after),
            ended_at=Now(),
            **more,
        )
    )


def _cost(generation: Generation, ending: Ending) -> Decimal | None:
    return catalogue.describe(generation.model_id).cost(ending.tokens_in, ending.tokens_out)


def _hold(held: Claim, changed: int) -> Hold:
    if changed:
        return Hold.KEPT
    return Hold.STOPPED if held.rows().exists() else Hold.LOST


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


def _run_wants_it() -> Q:
    """Candidates are wanted while the run is answering, its synthesis while it is synthesizing."""
    runs = MultiModelRun.objects.filter(cancel_requested_at=None, deadline_at__gt=Now())
    return Q(kind=Generation.Kind.CANDIDATE, run__in=runs.filter(status=RunStatus.ANSWERING)) | Q(
        kind=Generation.Kind.SYNTHESIS, run__in=runs.filter(status=RunStatus.SYNTHESIZING)
    )


def _tell_begun(generation: Generation) -> None:
    word: Callable[..., Event] = GenerationStarted if generation.attempt == 1 else GenerationRestarted
    about = {"run": str(generation.run_id), "generation": str(generation.pk), "attempt": generation.attempt}
    tell_on_commit(generation.run.thread_id, lambda: word(**about))
