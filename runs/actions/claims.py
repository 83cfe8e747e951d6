"""The claim: how a worker is given one attempt at a generation, and what its claim is worth later."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Case, QuerySet, TextField, Value, When
from django.db.models.functions import Now

from runs.actions import gates
from runs.actions.telling import tell_generation
from runs.events import GenerationRestarted, GenerationStarted, GenerationWaiting, stream_name
from runs.models import Generation, GenerationStatus, MultiModelRun, RunStatus
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
    STOPPED = "stopped"
    """Somebody asked to stop the generation or its run."""
    LOST = "lost"
    """Somebody else has the generation, or it is gone: write nothing more."""


class _MustWait(Exception):
    """Undoes a claim that its provider's gate does not let through."""

    def __init__(self, wait: timedelta) -> None:
        self.wait = wait


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
EMPTY: Mapping[Claim, Thoughts] = MappingProxyType({})


def claim(generation_id: UUID) -> Claim | None:
    """Take a queued generation for a new attempt; ``None`` when there is nothing to do.

    Also ``None`` when its provider takes no more requests now: then it stands in the line before that provider, until
    a request that ends there or the sweeper wakes it.
    """
    try:
        with transaction.atomic():
            return _claim(generation_id)
    except _MustWait as must:
        _join_line(generation_id, must.wait)
        return None


def store_prompt(held: Claim, turns: list[dict[str, str]]) -> Hold:
    """Keep exactly what is sent to the model."""
    return _hold(held, held.rows().update(sent_prompt=turns))


def checkpoint(held: Claim, text: str, thoughts: Thoughts | None = None) -> Hold:
    """Save what has come so far, thoughts only where there are new ones, and renew the lease."""
    wanted = held.rows().filter(
        cancel_requested_at=None, run__in=MultiModelRun.objects.filter(cancel_requested_at=None)
    )
    news = thoughts.fields() if thoughts else {}
    return _hold(held, wanted.update(text=text, lease_expires_at=_lease_end(), **news))


def checkpoint_all(texts: Mapping[Claim, str], thoughts: Mapping[Claim, Thoughts] = EMPTY) -> dict[Claim, Hold]:
    """:func:`checkpoint` of many claims in a few queries; says what each is worth now.

    It never waits for a row: one that somebody else writes to at this moment is left for the next time.
    """
    saved = {held.owner for batch in _batches(texts) for held in _save(batch, thoughts)}
    return {held: Hold.KEPT if held.owner in saved else _look(held) for held in texts}


def _save(texts: dict[Claim, str], thoughts: Mapping[Claim, Thoughts]) -> list[Claim]:
    """Save what those claims brought that hold and that nobody writes to at this moment; returns these."""
    with transaction.atomic():
        rows = Generation.objects.filter(
            pk__in=[held.generation.pk for held in texts],
            status=GenerationStatus.STREAMING,
            cancel_requested_at=None,
            run__cancel_requested_at=None,
        )
        owners = dict(rows.select_for_update(of=("self",), skip_locked=True).values_list("pk", "lease_owner"))
        kept = [held for held in texts if owners.get(held.generation.pk) == held.owner]
        if kept:
            whose = (When(pk=held.generation.pk, then=Value(texts[held])) for held in kept)
            Generation.objects.filter(pk__in=[held.generation.pk for held in kept]).update(
                text=Case(*whose, output_field=TextField()), lease_expires_at=_lease_end()
            )
        for held in kept:
            if held in thoughts:
                held.rows().update(**thoughts[held].fields())
    return kept


def _batches(texts: Mapping[Claim, str]) -> Iterator[dict[Claim, str]]:
    items = iter(texts.items())
    while batch := dict(islice(items, BATCH)):
        yield batch


def _claim(generation_id: UUID) -> Claim | None:
    # The conditions on the row itself are looked at again after a wait for its lock; those of the run never are.
    queued = Generation.objects.filter(pk=generation_id, status=GenerationStatus.QUEUED, cancel_requested_at=None)
    with_run = queued.select_related("run__prompt", "run__thread").only(*_KNOWN).annotate(now=Now())
    try:
        generation = with_run.select_for_update(of=("self",)).get()
    except Generation.DoesNotExist:
        return None
    now: datetime = generation.now  # type: ignore[attr-defined]  # annotated
    if not _run_wants(generation, now):
        return None
    owner = uuid4()
    begun = {
        "status": GenerationStatus.STREAMING,
        "lease_owner": owner,
        "queued_at": None,
        "next_retry_at": None,
        "waiting_for": "",
        "attempt": generation.attempt + 1,
        "text": "",
        **NO_THOUGHTS.fields(),
        "error_code": "",
        "error_message": "",
        "started_at": now,
        "first_token_at": None,
        "ended_at": None,
    }
    Generation.objects.filter(pk=generation_id).update(lease_expires_at=_lease_end(), **begun)
    for name, value in begun.items():
        setattr(generation, name, value)
    if wait := gates.wait(generation):
        raise _MustWait(wait)
    _tell_begun(generation)
    return Claim(generation, owner)


def _join_line(generation_id: UUID, wait: timedelta) -> None:
    """Let a generation wait for its provider, and say so once."""
    with transaction.atomic():
        generation = Generation.objects.select_related("run").defer("sent_prompt").filter(pk=generation_id).first()
        if generation is None:
            return
        queued = Generation.objects.filter(pk=generation_id, status=GenerationStatus.QUEUED)
        provider = gates.provider_of(generation)
        new = queued.exclude(waiting_for=provider).update(waiting_for=provider)
        queued.update(next_retry_at=Now() + wait)
        if new:
            tell_generation(generation, GenerationWaiting)


def _look(held: Claim) -> Hold:
    wishes = held.rows().values_list("cancel_requested_at", "run__cancel_requested_at").first()
    if wishes is None:
        return Hold.LOST
    return Hold.STOPPED if any(wishes) else Hold.KEPT


def _hold(held: Claim, changed: int) -> Hold:
    if changed:
        return Hold.KEPT
    return Hold.STOPPED if held.rows().exists() else Hold.LOST


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


def _run_wants(generation: Generation, now: datetime) -> bool:
    """Candidates are wanted from the start on, also late ones; a synthesis while its run is synthesizing.

    A further version of the final answer is wanted once its run has one; until it is whole it is not the current one.
    """
    run = generation.run
    if run.cancel_requested_at or run.deadline_at <= now:
        return False
    if generation.kind == Generation.Kind.CANDIDATE:
        return run.status != RunStatus.QUEUED
    return run.status == (RunStatus.SYNTHESIZING if generation.current else RunStatus.COMPLETED)


def _tell_begun(generation: Generation) -> None:
    word: Callable[..., Event] = GenerationStarted if generation.attempt == 1 else GenerationRestarted
    attempt, stream = generation.attempt, stream_name(generation.pk, generation.attempt)
    about = {"run": str(generation.run_id), "generation": str(generation.pk), "attempt": attempt, "stream": stream}
    tell_on_commit(generation.run.thread_id, lambda: word(**about))
