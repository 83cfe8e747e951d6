"""A thread with its runs as a client needs it: the page, the API and the socket show what these functions return."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from runs import catalogue
from runs.events import ErrorView, GenerationView, ModelView, RunView, Snapshot
from runs.models import Generation, GenerationStatus, MultiModelRun
from threads import live
from threads.models import Message, Thread
from threads.snapshot import message_view, thread_view

TURNS = 100
"""How many runs a snapshot holds at the most: the newest ones."""


def thread_snapshot(thread: Thread, run_id: UUID | None = None) -> Snapshot:
    """The newest part of a thread, or the part of it that one run makes."""
    runs = runs_of(thread, run_id)
    prompts = {run.prompt_id for run in runs}
    messages = thread.messages.exclude(kind=Message.Kind.DRAFT)
    if run_id is not None:
        messages = messages.filter(pk__in=prompts) | messages.filter(kind=Message.Kind.FINAL, parent__in=prompts)
    elif len(runs) == TURNS:
        messages = messages.filter(position__gte=runs[0].prompt.position)
    return Snapshot(
        thread=thread_view(thread),
        messages=[message_view(message) for message in messages],
        runs=run_views(runs),
    )


def runs_of(thread: Thread, run_id: UUID | None = None) -> list[MultiModelRun]:
    """The newest runs of a thread, oldest first, with what their views need."""
    runs = MultiModelRun.objects.filter(thread=thread)
    if run_id is not None:
        runs = runs.filter(pk=run_id)
    return list(with_details(runs).order_by("-created_at")[:TURNS])[::-1]


def with_details(runs: QuerySet[MultiModelRun]) -> QuerySet[MultiModelRun]:
    """Fetch what :func:`run_views` reads in a constant number of queries."""
    return runs.select_related("prompt").prefetch_related("generations")


def run_view(run_id: UUID) -> RunView:
    """One run, read afresh."""
    return run_views(with_details(MultiModelRun.objects.filter(pk=run_id)))[0]


def run_event_view(run_id: UUID) -> RunView:
    """One run, read afresh, without its texts: each has its own events, and a client need not read it three times."""
    view = _run_view(with_details(MultiModelRun.objects.all()).get(pk=run_id))
    return {**view, "generations": [{**generation, "text": None} for generation in view["generations"]]}


def run_views(runs: Iterable[MultiModelRun]) -> list[RunView]:
    """Runs with their texts as far as they have been streamed."""
    runs = list(runs)
    streaming = [g for run in runs for g in run.generations.all() if g.status == GenerationStatus.STREAMING]
    keys = {generation.pk: live.key(generation.pk, generation.attempt) for generation in streaming}
    texts = live.read({keys[generation.pk]: generation.text for generation in streaming})
    for generation in streaming:
        generation.text = texts[keys[generation.pk]]
    return [_run_view(run) for run in runs]


def generation_view(generation: Generation, label: str | None = None) -> GenerationView:
    """One generation with the text that its row holds."""
    return {
        "id": str(generation.pk),
        "run": str(generation.run_id),
        "kind": generation.kind,
        "role": generation.role,
        "position": generation.position,
        "version": generation.version,
        "model": model_view(generation.model_id),
        "status": generation.status,
        "attempt": generation.attempt,
        "text": generation.text,
        "finish_reason": generation.finish_reason,
        "error": _error(generation.error_code, generation.error_message),
        "label": label,
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


def _run_view(run: MultiModelRun) -> RunView:
    generations = [generation for generation in run.generations.all() if generation.current]
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
        "status": run.status,
        "outcome": run.outcome,
        "error": _error(run.error_code, run.error_message),
        "cancel_requested": run.cancel_requested_at is not None,
        "created_at": run.created_at.isoformat(),
        "ended_at": _time(run.ended_at),
        "generations": [generation_view(generation, letters.get(str(generation.pk))) for generation in generations],
    }


def _error(code: str, message: str) -> ErrorView | None:
    return {"code": code, "message": message} if code else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
