"""The claim: how a worker is given one attempt at a generation, and what its claim is worth later."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, QuerySet, TextField, Value, When
from django.db.models.functions import Now

from runs.actions import gates
from runs.actions.telling import tell_generation
from runs.events import GenerationRestarted, GenerationStarted, GenerationWaiting, stream_name
from runs.models import Generation, GenerationStatus, RunStatus
from threads.events import Event
from threads.telling import tell_on_commit

_KNOWN = (
    *("run", "kind", "role", "position", "version", "current", "model_id", "thread", "status", "attempt", "failures"),
    *("cancel_requested_at", "late", "labels", "finish_reason", "tokens_in", "tokens_out", "cost"),
    *("run__thread", "run__prompt", "run__final", "run__master_model", "run__status", "run__soft_deadline"),
    *("run__created_at", "run__deadline_at", "run__cancel_requested_at", "run__thread__system_prompt"),
    *(f"run__prompt__{name}" for name in ("thread", "role", "kind", "content", "position", "parent")),
)
"""What whoever writes a generation must know of it and of its run. To read all of the four rows took twice as long."""
BATCH = 100
"""How many texts are saved in one statement."""


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


class Hold(Enum):
    """What a claim is worth now."""

    KEPT = "kept"
    BUSY = "busy"
    """It holds, but somebody else wrote to its row: nothing was saved this time."""
    STOPPED = "stopped"
    """Somebody asked to stop the generation or its run."""
    LOST = "lost"
    """Somebody else has the generation, or it is gone: write nothing more."""


@dataclass(frozen=True, slots=True)
class Thoughts:
    """What a model thinks aloud before its answer. It is shown to people, and never part of a draft."""

    text: str = ""
    shortened: bool = False
    """There was more than is kept."""
    seconds: float | None = None
    """How long it thought; ``None`` while it still does."""

    def fields(self) -> dict[str, Any]:
        """As the row has them."""
        return {
            "reasoning": self.text,
            "reasoning_shortened": self.shortened,
            "reasoning_seconds": self.seconds,
        }


NO_THOUGHTS = Thoughts()
Prompt = list[dict[str, str]]
"""Exactly what was sent to a model: roles and contents."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What has come of one attempt so far, and of the rest what its row does not have yet."""

    text: str
    thoughts: Thoughts | None = None
    prompt: Prompt | None = None

    def news(self) -> dict[str, Any]:
        """What is saved beside the text, as the row has it."""
        prompt = {} if self.prompt is None else {"sent_prompt": self.prompt}
        return prompt | (self.thoughts.fields() if self.thoughts else {})


def claim(generation_id: UUID) -> Claim | None:
    """Take a queued generation for a new attempt; ``None`` when there is nothing to do.

    Also ``None`` when its provider takes no more requests now: then it stands in the line before that provider, until
    a request that ends there or the sweeper wakes it. Nobody is told: whoever has the claim does, :func:`tell_begun`.
    """
    with transaction.atomic():
        claims = _take(_queued([generation_id], skip_locked=False))
        wait = gates.wait(claims[0].generation) if claims else None
        if wait:
            transaction.set_rollback(True)
    if wait:
        _join_line(generation_id, wait)
        return None
    return claims[0] if claims else None


def claim_all(generation_ids: Sequence[UUID]) -> list[Claim | None]:
    """:func:`claim` of many in two queries; to each its claim.

    There is none for what needs a look of its own: its row is locked at this moment, its provider has a limit, or there
    is nothing to do. Of two that name one generation the first is given it.
    """
    with transaction.atomic():
        queued = _queued(generation_ids, skip_locked=True)
        claims = _take([generation for generation in queued if not gates.has_limit(generation.model_id)])
    given = {held.generation.pk: held for held in claims}
    return [given.pop(generation_id, None) for generation_id in generation_ids]


def leased(now: datetime) -> dict[str, Any]:
    """What makes a new row one that its maker has claimed already; ``now`` by the clock of the database."""
    return {
        "status": GenerationStatus.STREAMING,
        "attempt": 1,
        "lease_owner": uuid4(),
        "lease_expires_at": now + timedelta(seconds=settings.LEASE_SECONDS),
        "started_at": now,
        "queued_at": None,
        "next_retry_at": None,
    }


def tell_begun(held: Claim) -> None:
    """An attempt begins; whoever hears it knows by which name its text will come."""
    generation = held.generation
    word: Callable[..., Event] = GenerationStarted if generation.attempt == 1 else GenerationRestarted
    attempt, stream = generation.attempt, stream_name(generation.pk, generation.attempt)
    about = {"run": str(generation.run_id), "generation": str(generation.pk), "attempt": attempt, "stream": stream}
    tell_on_commit(generation.run.thread_id, lambda: word(**about))


def checkpoint_all(progress: Mapping[Claim, Progress]) -> dict[Claim, Hold]:
    """Save what has come of many attempts, and renew their leases, in a few queries; says what each is worth now.

    What there is beside a text takes one query more for each. No row is waited for: one that somebody else writes to at
    this moment is left for the next time.
    """
    saved = {held for batch in _batches(progress) for held in _save(batch)}
    return {held: Hold.KEPT if held in saved else _look(held) for held in progress}


def hold(claims: Collection[Claim], rows: "QuerySet[Generation]") -> list[Claim]:
    """Those claims that hold, with their rows locked; of ``rows`` alone, and of none that somebody else has locked."""
    streaming = rows.filter(pk__in=[held.generation.pk for held in claims], status=GenerationStatus.STREAMING)
    owners = dict(streaming.select_for_update(of=("self",), skip_locked=True).values_list("pk", "lease_owner"))
    return [held for held in claims if owners.get(held.generation.pk) == held.owner]


def _save(progress: dict[Claim, Progress]) -> list[Claim]:
    """Save what those claims brought that hold and that nobody writes to at this moment; returns these."""
    with transaction.atomic():
        rows = Generation.objects.filter(cancel_requested_at=None, run__cancel_requested_at=None)
        kept = hold(progress, rows)
        if kept:
            whose = (When(pk=held.generation.pk, then=Value(progress[held].text)) for held in kept)
            Generation.objects.filter(pk__in=[held.generation.pk for held in kept]).update(
                text=Case(*whose, output_field=TextField()), lease_expires_at=_lease_end()
            )
        for held in kept:
            if news := progress[held].news():
                held.rows().update(**news)
    return kept


def _batches(progress: Mapping[Claim, Progress]) -> Iterator[dict[Claim, Progress]]:
    items = iter(progress.items())
    while batch := dict(islice(items, BATCH)):
        yield batch


def _queued(generation_ids: Collection[UUID], *, skip_locked: bool) -> list[Generation]:
    """Those of them that wait for a worker and that their runs want, with what must be known of them; held."""
    # The conditions on the row itself are looked at again after a wait for its lock; those of the run never are.
    queued = Generation.objects.filter(pk__in=generation_ids, status=GenerationStatus.QUEUED, cancel_requested_at=None)
    with_run = queued.select_related("run__prompt", "run__thread").only(*_KNOWN).annotate(now=Now())
    return [each for each in with_run.select_for_update(of=("self",), skip_locked=skip_locked) if _run_wants(each)]


def _take(generations: list[Generation]) -> list[Claim]:
    """Begin a new attempt at each of these, whose rows the caller holds."""
    if not generations:
        return []
    owner = uuid4()
    begun = {
        "status": GenerationStatus.STREAMING,
        "lease_owner": owner,
        "queued_at": None,
        "next_retry_at": None,
        "waiting_for": "",
        "text": "",
        "sent_prompt": None,
        **NO_THOUGHTS.fields(),
        "error_code": "",
        "error_message": "",
        "started_at": generations[0].now,  # type: ignore[attr-defined]  # annotated
        "first_token_at": None,
        "ended_at": None,
    }
    Generation.objects.filter(pk__in=[generation.pk for generation in generations]).update(
        attempt=F("attempt") + 1, lease_expires_at=_lease_end(), **begun
    )
    for generation in generations:
        generation.attempt += 1
        for name, value in begun.items():
            setattr(generation, name, value)
    return [Claim(generation, owner) for generation in generations]


def _join_line(generation_id: UUID, wait: timedelta) -> None:
    """Let a generation wait for its provider, and say so once."""
    with transaction.atomic():
        generation = Generation.objects.select_related("run").defer("sent_prompt").filter(pk=generation_id).first()
        if generation is None:
            return
        queued = Generation.objects.filter(pk=generation_id, status=GenerationStatus.QUEUED)
        provider = gates.provider_of(generation.model_id)
        new = queued.exclude(waiting_for=provider).update(waiting_for=provider)
        queued.update(next_retry_at=Now() + wait)
        if new:
            tell_generation(generation, GenerationWaiting)


def _look(held: Claim) -> Hold:
    wishes = held.rows().values_list("cancel_requested_at", "run__cancel_requested_at").first()
    if wishes is None:
        return Hold.LOST
    return Hold.STOPPED if any(wishes) else Hold.BUSY


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


def _run_wants(generation: Generation) -> bool:
    """Candidates are wanted from the start on, also late ones; a synthesis while its run is synthesizing.

    A further version of the final answer is wanted once its run has one; until it is whole it is not the current one.
    """
    run = generation.run
    now: datetime = generation.now  # type: ignore[attr-defined]  # annotated
    if run.cancel_requested_at or run.deadline_at <= now:
        return False
    if generation.kind == Generation.Kind.CANDIDATE:
        return run.status != RunStatus.QUEUED
    return run.status == (RunStatus.SYNTHESIZING if generation.current else RunStatus.COMPLETED)
