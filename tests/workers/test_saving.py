"""The one thread that saves all texts of a worker must go on whatever happens to one of them."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from runs import actions
from runs.actions import NO_THOUGHTS, Hold, Progress, Prompt, Thoughts
from tests.product import wait_for
from workers.providers.base import Reach, Request, Turn
from workers.reading import Reading
from workers.saving import Saver


class Keeping:
    """What the saver asks to be saved, and what it is told."""

    def __init__(self) -> None:
        self.saved: list[tuple[Any, str]] = []
        self.thoughts: list[Thoughts] = []
        self.prompts: list[tuple[Any, Prompt]] = []
        self.holds: dict[Any, Hold] = {}
        self.errors: list[Exception] = []
        self.bad: Any = None

    def checkpoint_all(self, progress: dict[Any, Progress]) -> dict[Any, Hold]:
        if self.errors:
            raise self.errors.pop()
        if self.bad in progress:
            raise ValueError("it cannot be saved")
        for held, news in progress.items():
            self.saved.append((held, news.text))
            self.thoughts += [news.thoughts] if news.thoughts else []
            self.prompts += [(held, news.prompt)] if news.prompt else []
        return {held: self.holds.get(held, Hold.KEPT) for held in progress}


@pytest.fixture
def keeping(monkeypatch: pytest.MonkeyPatch, settings: Any, db: None) -> Keeping:
    settings.CHECKPOINT_SECONDS = 0.01
    found = Keeping()
    monkeypatch.setattr(actions, "checkpoint_all", found.checkpoint_all)
    return found


@pytest.fixture
def stream() -> Iterator[Any]:
    """Begin to read something whose text grows by itself; gone at the end of the test."""
    saver = Saver()
    with ExitStack() as stack:

        def begin(name: Any, text: str, thoughts: Thoughts = NO_THOUGHTS) -> Any:
            turns = (Turn("user", "Why?"),)
            request = Request(model="m", turns=turns, max_output_tokens=1, connect_timeout=1, tokens_per_second=None)
            growing: Any = SimpleNamespace(
                so_far=lambda: text, thoughts_so_far=lambda: thoughts.text, shortened=thoughts.shortened
            )
            reading = Reading(Reach("mock", "mock", "", ""), request, growing, total_timeout=60)
            return stack.enter_context(saver.saving(name, reading, Future()))

        yield begin


def test_all_texts_are_saved_again_and_again(keeping: Keeping, stream: Any) -> None:
    stream("a", "one")
    stream("b", "two")
    wait_for(lambda: keeping.saved.count(("a", "one")) > 2 and ("b", "two") in keeping.saved)


def test_thoughts_are_saved_when_there_are_new_ones(keeping: Keeping, stream: Any) -> None:
    stream("a", "", Thoughts("hm"))
    wait_for(lambda: len(keeping.saved) > 3)
    assert keeping.thoughts == [Thoughts("hm")]


def test_a_prompt_is_saved_once(keeping: Keeping, stream: Any) -> None:
    stream("a", "")
    wait_for(lambda: len(keeping.saved) > 3)
    assert keeping.prompts == [("a", [{"role": "user", "content": "Why?"}])]


def test_what_was_not_saved_because_the_row_was_busy_is_saved_later(keeping: Keeping, stream: Any) -> None:
    keeping.holds = {"a": Hold.BUSY}
    a = stream("a", "one", Thoughts("hm"))
    wait_for(lambda: len(keeping.saved) > 3)
    assert not a.future.cancelled()
    keeping.holds = {}
    wait_for(lambda: a.reading.unsaved_prompt is None)
    assert keeping.prompts.count(("a", [{"role": "user", "content": "Why?"}])) > 3
    assert keeping.thoughts.count(Thoughts("hm")) > 3


def test_a_prompt_that_could_not_be_saved_is_saved_later(keeping: Keeping, stream: Any) -> None:
    keeping.errors = [OperationalError("away")]
    a = stream("a", "")
    wait_for(lambda: len(keeping.saved) > 3)
    assert keeping.prompts == [("a", [{"role": "user", "content": "Why?"}])]
    assert a.reading.unsaved_prompt is None


def test_a_stream_whose_claim_is_worth_nothing_is_cancelled(keeping: Keeping, stream: Any) -> None:
    keeping.holds = {"lost": Hold.LOST, "stopped": Hold.STOPPED}
    lost, stopped, kept = stream("lost", ""), stream("stopped", ""), stream("kept", "")
    wait_for(lambda: len(keeping.saved) > 6)
    assert [each.future.cancelled() for each in (lost, stopped, kept)] == [True, True, False]
    assert (lost.hold, stopped.hold) == (Hold.LOST, Hold.STOPPED)
    assert keeping.saved.count(("lost", "")) == 1


def test_one_text_that_cannot_be_saved_costs_the_others_nothing(keeping: Keeping, stream: Any) -> None:
    keeping.bad = "bad"
    stream("good", "one")
    stream("bad", "two")
    wait_for(lambda: keeping.saved.count(("good", "one")) > 2)


@pytest.mark.parametrize("error", [OperationalError("away"), RuntimeError("a mistake")])
def test_it_goes_on_after_a_round_that_failed(keeping: Keeping, stream: Any, error: Exception) -> None:
    keeping.errors = [error]
    stream("a", "one")
    wait_for(lambda: ("a", "one") in keeping.saved)
