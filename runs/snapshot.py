"""A thread with its runs as a client needs it: the page, the API and the socket show what these functions return."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from runs import catalogue
from runs.events import ErrorView, GaveUpView, GenerationView, ModelView, RunView, Snapshot, stream_name
from runs.models import RUN_ACTIVE, Generation, GenerationStatus, MultiModelRun, RunStatus
from threads import live
from threads.branches import Branches
from threads.models import Message, Thread
from threads.snapshot import message_view, thread_view

TURNS = 20
"""How many runs a snapshot, and a page, holds at the most: the newest ones. Of 100 a page would take seconds."""
_UNREAD = ("sent_prompt",)
"""What no view shows: each prompt that was sent is a whole conversation."""
_TEXTS = ("text", "reasoning")
RECENT = 3
"""How many runs that have ended a brief snapshot tells in full: more do not end while a socket connects anew."""


def thread_snapshot(thread: Thread, run_id: UUID | None = None) -> Snapshot:
    """The newest part of the branch that is shown, or the part of the thread that one run makes."""
    if run_id is None:
        return branch_snapshot(thread, Branches.of(thread))
    return _snapshot(thread, MultiModelRun.objects.filter(thread=thread, pk=run_id))


def branch_snapshot(thread: Thread, branches: Branches, before: UUID | None = None) -> Snapshot:
    """The newest part of the branch that is shown, or the part of a branch that stands before a prompt."""
    prompts = branches.shown if before is None else branches.up_to(before)[:-1]
    return snapshot_of(thread, prompts[-TURNS:])


def snapshot_of(thread: Thread, prompts: Collection[UUID]) -> Snapshot:
    """The part of a thread that these prompts make."""
    return _snapshot(thread, MultiModelRun.objects.filter(thread=thread, prompt__in=prompts))


def _snapshot(thread: Thread, rows: QuerySet[MultiModelRun]) -> Snapshot:
    runs = list(with_details(rows).select_related("prompt", "final").order_by("prompt__position"))
    messages = [message for run in runs for message in (run.prompt, run.final) if message]
    return Snapshot(
        thread=thread_view(thread),
        messages=[message_view(message) for message in sorted(messages, key=lambda message: message.position)],
        runs=run_views(runs),
    )


def brief_snapshot(thread: Thread) -> Snapshot:
    """The newest part of the branch that is shown for somebody who has the page: all states, but few texts.

    Texts and messages come of what is active or has ended of late; all of them would be megabytes at each blink of the
    network.
    """
    rows = MultiModelRun.objects.filter(thread=thread, prompt__in=Branches.of(thread).shown[-TURNS:])
    runs = list(rows.order_by("prompt__position"))
    active = [run for run in runs if run.status in RUN_ACTIVE]
    told = active + [run for run in runs if run not in active][-RECENT:]
    others = [run for run in runs if run not in told]
    prefetch_related_objects(told, _generations())
    prefetch_related_objects(others, _generations(texts=False))
    brief = [_run_view(run, run.generations.all(), texts=False) for run in others]
    views = {view["id"]: view for view in [*run_views(told), *brief]}
    messages = Message.objects.filter(pk__in={message for run in told for message in (run.prompt_id, run.final_id)})
    return Snapshot(
        thread=thread_view(thread),
        messages=[message_view(message) for message in messages],
        runs=[views[str(run.pk)] for run in runs],
    )


def with_details(runs: QuerySet[MultiModelRun]) -> QuerySet[MultiModelRun]:
    """Fetch what :func:`run_views` reads in a constant number of queries."""
    return runs.prefetch_related(_generations())


def run_view(run_id: UUID) -> RunView:
    """One run, read afresh."""
    return run_views(with_details(MultiModelRun.objects.filter(pk=run_id)))[0]


def run_event_view(run_id: UUID) -> RunView:
    """One run, read afresh, without its texts: each has its own events, and a client need not read it three times."""
    run = MultiModelRun.objects.get(pk=run_id)
    generations = run.generations.defer(*_TEXTS, *_UNREAD).order_by()
    return _run_view(run, sorted(generations, key=lambda each: each.place), texts=False)


def begun_view(run: MultiModelRun, *, texts: bool = True) -> RunView:
    """A run that was just made."""
    return _run_view(run, run.begun_with, texts=texts)


def run_views(runs: Iterable[MultiModelRun]) -> list[RunView]:
    """Runs with their texts as far as they have been streamed."""
    runs = list(runs)
    streaming = [g for run in runs for g in run.generations.all() if g.status == GenerationStatus.STREAMING]
    keys = {generation.pk: live.key(generation.pk, generation.attempt) for generation in streaming}
    thoughts = {generation.pk: live.reasoning_key(generation.pk, generation.attempt) for generation in streaming}
    stored = {keys[generation.pk]: generation.text for generation in streaming}
    texts = live.read(stored | {thoughts[generation.pk]: generation.reasoning for generation in streaming})
    for generation in streaming:
        generation.text = texts[keys[generation.pk]]
        generation.reasoning = texts[thoughts[generation.pk]]
    return [_run_view(run, run.generations.all()) for run in runs]


def generation_view(generation: Generation, label: str | None = None, *, text: bool = True) -> GenerationView:
    """One generation with the text that its row holds, or without."""
    return {
        "id": str(generation.pk),
        "run": str(generation.run_id),
        "kind": generation.kind,
        "role": generation.role,
        "position": generation.position,
        "version": generation.version,
        "current": generation.current,
        "model": model_view(generation.model_id),
        "status": generation.status,
        "attempt": generation.attempt,
        "stream": stream_name(generation.pk, generation.attempt),
        "text": generation.text if text else None,
        "reasoning": generation.reasoning if text else None,
        "reasoning_shortened": generation.reasoning_shortened,
        "reasoning_seconds": None if generation.reasoning_seconds is None else round(generation.reasoning_seconds, 3),
        "finish_reason": generation.finish_reason,
        "error": _error(generation.error_code, generation.error_message),
        "label": label,
        "late": generation.late,
        "waiting_for": catalogue.provider_label(generation.waiting_for) or None,
        "cancel_requested": generation.cancel_requested_at is not None,
        "tokens_in": generation.tokens_in,
        "tokens_out": generation.tokens_out,
        "cost": None if generation.cost is None else str(generation.cost),
        "first_token_seconds": _seconds(generation.started_at, generation.first_token_at),
        "seconds": _seconds(generation.started_at, generation.ended_at),
        "started_at": _time(generation.started_at),
    }


def model_view(model_id: str) -> ModelView:
    """A model, also one that has left the catalogue."""
    model = catalogue.describe(model_id)
    return {"id": model.id, "label": model.label, "provider": model.provider, "demo": model.demo}


def _generations(*, texts: bool = True) -> "Prefetch[str]":
    return Prefetch("generations", Generation.objects.defer(*(() if texts else _TEXTS), *_UNREAD))


def _run_view(run: MultiModelRun, rows: Iterable[Generation], *, texts: bool = True) -> RunView:
    """A run and its generations, in their order."""
    rows = list(rows)
    generations = [generation for generation in rows if generation.current]
    letters = {}
    for generation in generations:
        letters.update({draft: letter for letter, draft in (generation.labels or {}).items()})
    synthesis = next((g for g in generations if g.kind == Generation.Kind.SYNTHESIS), None)
    return {
        "id": str(run.pk),
        "thread": str(run.thread_id),
        "prompt": str(run.prompt_id),
        "final": str(run.final_id) if run.final_id else None,
        "master": model_view(synthesis.model_id if synthesis else run.master_model),
        "gave_up": _gave_up(rows, synthesis),
        "status": run.status,
        "outcome": run.outcome,
        "minimum": run.minimum,
        "soft_deadline_at": _time(run.soft_deadline_at),
        "synthesis_requested": run.synthesis_requested_at is not None,
        "error": _error(run.error_code, run.error_message),
        "cancel_requested": run.cancel_requested_at is not None,
        "created_at": run.created_at.isoformat(),
        "ended_at": _time(run.ended_at),
        "generations": [generation_view(g, letters.get(str(g.pk)), text=texts) for g in generations],
        "chosen": str(run.chosen_id) if run.chosen_id else None,
        "versions": [generation_view(g, text=texts) for g in _other_versions(run, rows, synthesis)],
    }


def _other_versions(run: MultiModelRun, rows: list[Generation], synthesis: Generation | None) -> list[Generation]:
    """What was whole before, and the newest of all if it is under way or came to nothing.

    No older one that came to nothing, and no master that gave up on the way to one.
    """
    others = [g for g in rows if g.kind == Generation.Kind.SYNTHESIS and not g.current]
    last = max((g.version for g in others), default=0)
    newer = run.status == RunStatus.COMPLETED and last > (synthesis.version if synthesis else 0)
    return [g for g in others if g.status == GenerationStatus.COMPLETED or (newer and g.version == last)]


def _gave_up(rows: list[Generation], synthesis: Generation | None) -> list[GaveUpView]:
    """The authors of this synthesis before its present one: an earlier version belongs to an earlier try of the run."""
    if synthesis is None:
        return []
    authors = (g for g in rows if g.kind == Generation.Kind.SYNTHESIS)
    before = [g for g in authors if g.version == synthesis.version and g.position < synthesis.position]
    return [
        {
            "model": model_view(each.model_id),
            "error": {"code": each.error_code, "message": each.error_message},
        }
        for each in before
    ]


def _error(code: str, message: str) -> ErrorView | None:
    return {"code": code, "message": message} if code else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
