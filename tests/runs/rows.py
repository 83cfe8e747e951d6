"""Runs in every state, made by the verbs themselves."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from runs import actions
from runs.actions import Claim, Ending, Hold, Progress, Prompt, Thoughts
from runs.models import Generation, MultiModelRun
from threads.actions import create_thread
from threads.models import Message, Thread

THREE = ("swift:one", "swift:two", "swift:three")
AGO = timedelta(minutes=1)


def started(
    owner: Any, models: Sequence[str] = THREE, thread: Thread | None = None, prompt: str = "Why?"
) -> MultiModelRun:
    """A run that waits for a worker."""
    run, _new = ask(owner, thread or create_thread(owner), prompt, *models)
    return run


def ask(
    owner: Any, thread: Thread, prompt: str, master: str, *secondaries: str, key: str = ""
) -> tuple[MultiModelRun, bool]:
    """Start a run."""
    return actions.start_run(owner, thread, prompt, master=master, secondaries=secondaries, idempotency_key=key)


def answering(owner: Any, models: Sequence[str] = THREE) -> MultiModelRun:
    """A run whose candidates wait for a worker each."""
    run = started(owner, models)
    assert actions.take_up(run.pk) is not None
    return fresh(run)


def synthesizing(owner: Any, models: Sequence[str] = THREE) -> MultiModelRun:
    """A run whose drafts are there and whose synthesis waits for a worker."""
    run = answering(owner, models)
    for candidate in candidates(run):
        complete(candidate)
    assert actions.settle(run.pk)
    return fresh(run)


def completed(owner: Any, models: Sequence[str] = THREE) -> MultiModelRun:
    """A run with its final answer."""
    run = synthesizing(owner, models)
    assert actions.complete(claimed(synthesis(run)), ending("In short: because."))
    return fresh(run)


def failed(owner: Any, models: Sequence[str] = THREE) -> MultiModelRun:
    """A run of which every model failed."""
    run = answering(owner, models)
    for candidate in candidates(run):
        break_down(candidate)
    actions.settle(run.pk)
    return fresh(run)


def claimed(generation: Generation) -> Claim:
    held = actions.claim(generation.pk)
    assert held is not None
    actions.tell_begun(held)
    return held


def checkpoint(held: Claim, text: str, thoughts: Thoughts | None = None, prompt: Prompt | None = None) -> Hold:
    return actions.checkpoint_all({held: Progress(text, thoughts, prompt)})[held]


def complete(generation: Generation, text: str = "Because.", finish_reason: str = "stop") -> None:
    assert actions.complete(claimed(generation), ending(text, finish_reason))


def break_down(generation: Generation, code: str = "auth", message: str = "The key was refused.") -> None:
    assert actions.fail(claimed(generation), ending(""), actions.Failure(code, message)) is None


def ending(text: str = "Because.", finish_reason: str = "stop") -> Ending:
    return Ending(text=text, finish_reason=finish_reason, tokens_in=10, tokens_out=4, first_token_after=0.25)


def candidates(run: MultiModelRun) -> list[Generation]:
    return list(run.generations.filter(kind="candidate").order_by("position"))


def synthesis(run: MultiModelRun) -> Generation:
    return run.generations.get(kind="synthesis", current=True)


def change(row: Any, **values: Any) -> None:
    """Put a row where time or a dead worker would have put it."""
    type(row).objects.filter(pk=row.pk).update(**values)


def lose_lease(held: Claim) -> None:
    """As if the worker had not renewed it in time."""
    change(held.generation, lease_expires_at=Now() - AGO)


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def counts() -> tuple[int, ...]:
    """How many rows of each kind there are."""
    return tuple(model.objects.count() for model in (Thread, Message, MultiModelRun, Generation))
