import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator

from runs import actions
from runs.events import WORDS, GenerationBlock, GenerationDelta, GenerationReasoning
from runs.protocol import schema
from runs.snapshot import thread_snapshot
from tests.runs.rows import (
    THREE,
    answering,
    break_down,
    candidates,
    claimed,
    complete,
    completed,
    ending,
    failed,
    started,
    synthesis,
    synthesizing,
)
from threads.actions import rename_thread
from threads.events import ThreadLive

pytestmark = pytest.mark.usefixtures("models", "redis_flushed")


@pytest.fixture(scope="module")
def frames() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


def test_the_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("protocol")
    assert json.loads(capsys.readouterr().out) == schema()


def test_every_word_has_a_type_of_its_own_and_says_what_it_means() -> None:
    described = schema()["$defs"]
    bare = [word for word in WORDS if word.bare]
    types = [described[word.__name__]["properties"]["type"]["const"] for word in WORDS if word not in bare]
    assert types == [word.type for word in WORDS if word not in bare]
    assert bare == [GenerationDelta]
    assert len(set(types)) == len(types)
    assert all(described[word.__name__]["description"] for word in WORDS)


def everything_that_is_said(owner: Any) -> set[str]:
    """Runs that between them say every word of an action, in so far as a provider has a limit."""
    run = completed(owner)
    actions.rewrite(run.pk)
    rename_thread(run.thread, "Named")
    failed(owner)
    actions.request_cancel(started(owner).pk)
    run = answering(owner)
    first, second, _third = candidates(run)
    actions.release(claimed(first))
    complete(first)
    break_down(second)
    actions.request_cancel(run.pk)
    synthesizing(owner)
    claimed(candidates(answering(owner, THREE[:1]))[0])
    actions.claim(candidates(answering(owner, THREE[:1]))[0].pk)
    of_others = {"snapshot", "generation.delta", "generation.reasoning", "generation.block", "thread.live"}
    return {word.type for word in WORDS} - of_others


def test_every_frame_that_is_said_keeps_to_the_schema(
    ada: Any,
    said: list[Any],
    frames: Draft202012Validator,
    django_capture_on_commit_callbacks: Callable[..., Any],
    settings: Any,
) -> None:
    settings.PROVIDER_LIMITS = {"swift": {"at_once": 1, "per_minute": None}}
    with django_capture_on_commit_callbacks(execute=True):
        expected = everything_that_is_said(ada)
    settings.PROVIDER_LIMITS = {}
    assert {event.type for event in said} == expected
    for event in said:
        frames.validate(event.payload())
    frames.validate([GenerationDelta(stream="s", offset=0, text="x").payload()])
    thought = {"run": "r", "generation": "g", "attempt": 1, "offset": 0, "text": "x"}
    frames.validate(GenerationReasoning(**thought, shortened=False).payload())
    frames.validate(GenerationBlock(run="r", generation="g", attempt=1, start=0, end=1, html="<p>x</p>").payload())
    frames.validate(ThreadLive(live=False).payload())
    for make in (completed, failed, answering, synthesizing, started):
        frames.validate(thread_snapshot(make(ada).thread).payload())


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": "nonsense"},
        {"type": "generation.started"},
        {"type": "thread.updated", "thread": {"id": 1}},
        [],
        None,
        ["a bare delta", 0, "outside of a list"],
        [["stream", "offset", "text"]],
        [["stream", 0]],
        [["stream", 0, "text", "more"]],
    ],
)
def test_the_schema_knows_what_is_no_frame(frames: Draft202012Validator, frame: Any) -> None:
    assert not frames.is_valid(frame)


def test_the_end_of_a_generation_carries_its_whole_text(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    run = synthesizing(ada)
    with django_capture_on_commit_callbacks(execute=True):
        actions.complete(claimed(synthesis(run)), ending("All of it."))
    assert said[-1].message["content"] == "All of it."
