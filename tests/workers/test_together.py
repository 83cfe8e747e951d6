"""Tasks that want the same of the database at one time are given it together."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError

from runs import actions
from runs.models import Generation
from tests.product import wait_for
from workers import together
from workers.together import Together


class Rows:
    """What stands in for the database."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        """Who was asked for together."""
        self.alone: set[str] = set()
        """Those that cannot be had with others."""
        self.error: Exception | None = None
        self.open = threading.Event()
        """Until it is set, whoever asks waits."""

    def answer(self, wishes: Sequence[str]) -> list[str | None]:
        gate = self.open
        self.asked.append(list(wishes))
        assert gate.wait(10)
        if self.error:
            raise self.error
        return [None if wish in self.alone else wish.upper() for wish in wishes]

    def silence(self) -> threading.Event:
        """Let all go on but those who ask now, until what is returned is set."""
        silence, self.open = self.open, threading.Event()
        self.open.set()
        return silence


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def line(rows: Rows) -> Together[str, str]:
    return Together(rows.answer)


@pytest.fixture
def tasks() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as threads:
        yield threads


class Holding:
    """A connection that one thread has, and the others have not."""

    def __init__(self, holder: threading.Thread) -> None:
        self._holder = holder

    @property
    def connection(self) -> str | None:
        return "open" if threading.current_thread() is self._holder else None


Ask = Callable[..., list[Any]]


@pytest.fixture
def ask(rows: Rows, line: Together[str, str], tasks: ThreadPoolExecutor) -> Ask:
    """Ask for one, and for others while that one is asked for; what each was given, in their order."""

    def both(first: str, *others: str) -> list[Any]:
        futures: list[Future[Any]] = [tasks.submit(line.ask, first)]
        wait_for(lambda: rows.asked == [[first]])
        futures += [tasks.submit(line.ask, other) for other in others]
        wait_for(lambda: len(line._line) == len(others))
        rows.open.set()
        return [future.result(10) for future in futures]

    return both


def test_all_who_come_while_one_is_asked_for_are_asked_for_together(rows: Rows, ask: Ask) -> None:
    assert ask("a", *"bcdefghijk") == list("ABCDEFGHIJK")
    assert [sorted(wishes) for wishes in rows.asked] == [["a"], list("bcdefghijk")]


def test_they_are_asked_for_again_and_again(rows: Rows, line: Together[str, str], tasks: ThreadPoolExecutor) -> None:
    rows.open.set()
    wishes = [f"wish {number}" for number in range(300)]
    assert list(tasks.map(line.ask, wishes)) == [wish.upper() for wish in wishes]
    assert sorted(wish for asked in rows.asked for wish in asked) == sorted(wishes)
    assert not line._busy


def test_what_can_not_be_had_with_others_is_nothing(rows: Rows, ask: Ask) -> None:
    rows.alone = {"c"}
    assert ask("a", "b", "c") == ["A", "B", None]


@pytest.mark.parametrize("error", [OperationalError("away"), ValueError("a mistake")])
def test_with_an_error_nobody_is_given_anything_and_the_next_ones_are(
    rows: Rows, line: Together[str, str], ask: Ask, error: Exception
) -> None:
    rows.error = error
    assert ask("a", "b", "c") == [None, None, None]
    rows.error = None
    assert line.ask("d") == "D"


def test_one_that_hangs_holds_up_only_whom_it_asks_for(
    rows: Rows, line: Together[str, str], tasks: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 0.1)
    hung = tasks.submit(line.ask, "a")
    wait_for(lambda: rows.asked == [["a"]])
    silence = rows.silence()
    for later in ("b", "c"):
        assert tasks.submit(line.ask, later).result(10) == later.upper()
    assert not hung.done()
    silence.set()
    assert hung.result(10) == "A"
    assert tasks.submit(line.ask, "d").result(10) == "D"


def test_who_need_not_wait_forever_does_not(rows: Rows, tasks: ThreadPoolExecutor) -> None:
    line = Together(rows.answer, patience=0.1)
    first = tasks.submit(line.ask, "a")
    wait_for(lambda: rows.asked == [["a"]])
    others = [tasks.submit(line.ask, wish) for wish in "bc"]
    wait_for(lambda: len(line._line) == 2)
    silence = rows.silence()
    silence.set()
    assert first.result(10) == "A"
    assert {other.result(10) for other in others} <= {"B", "C"}
    hung = threading.Event()
    rows.open = hung
    asking = tasks.submit(line.ask, "d")
    wait_for(lambda: rows.asked[-1] == ["d"])
    waiting = [tasks.submit(line.ask, wish) for wish in "ef"]
    wait_for(lambda: len(line._line) == 2)
    with line._lock:
        taken = line._take_all()  # somebody asks for them, over a connection that is dead
    assert [each.result(10) for each in waiting] == [None, None]
    hung.set()
    assert asking.result(10) == "D"
    line._wake(taken)


def test_who_has_a_connection_waits_for_nobody_who_may_need_it(
    rows: Rows, line: Together[str, str], tasks: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 60)
    busy = tasks.submit(line.ask, "a")
    wait_for(lambda: rows.asked == [["a"]])
    waiting = tasks.submit(line.ask, "b")
    wait_for(lambda: len(line._line) == 1)
    monkeypatch.setattr(together, "connection", Holding(threading.current_thread()))
    silence = rows.silence()
    assert line.ask("c") == "C"
    assert waiting.result(10) == "B"
    silence.set()
    assert busy.result(10) == "A"
    assert rows.asked == [["a"], ["b", "c"]]


@pytest.fixture
def busy(rows: Rows, line: Together[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has many streams, and somebody was given something just now."""
    monkeypatch.setattr(together, "GATHER_SECONDS", 0.5)
    monkeypatch.setattr(together, "saver", SimpleNamespace(open=1_000_000))
    rows.open.set()
    assert line.ask("a") == "A"


@pytest.mark.usefixtures("busy")
def test_among_many_streams_wishes_are_gathered(
    rows: Rows, line: Together[str, str], tasks: ThreadPoolExecutor
) -> None:
    first = tasks.submit(line.ask, "b")
    wait_for(lambda: len(line._line) == 1)
    assert (tasks.submit(line.ask, "c").result(10), first.result(10)) == ("C", "B")
    assert rows.asked == [["a"], ["b", "c"]]


def test_who_has_its_result_does_not_wait_until_others_are_gathered(
    rows: Rows, line: Together[str, str], tasks: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tasks.submit(line.ask, "a")
    wait_for(lambda: rows.asked == [["a"]])
    others = [tasks.submit(line.ask, wish) for wish in "bc"]
    wait_for(lambda: len(line._line) == 2)
    monkeypatch.setattr(together, "GATHER_SECONDS", 20)
    monkeypatch.setattr(together, "saver", SimpleNamespace(open=1_000_000))
    monkeypatch.setattr(together, "connection", Holding(threading.current_thread()))
    silence = rows.silence()
    assert line.ask("d") == "D"
    assert {other.result(5) for other in others} == {"B", "C"}
    silence.set()
    assert first.result(5) == "A"


@pytest.mark.usefixtures("busy")
def test_who_has_a_connection_does_not_wait_while_wishes_are_gathered(
    rows: Rows, line: Together[str, str], tasks: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "GATHER_SECONDS", 0)
    gathering = tasks.submit(line.ask, "b")
    wait_for(lambda: len(line._line) == 1)
    monkeypatch.setattr(together, "connection", Holding(threading.current_thread()))
    assert line.ask("c") == "C"
    assert rows.asked == [["a"], ["b", "c"]]
    assert gathering.result(10) == "B"
    assert tasks.submit(line.ask, "d").result(10) == "D"


@pytest.fixture
def verbs(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The verbs that a task does by itself, and with what they were called."""
    called: dict[str, list[Any]] = {"claim": [], "complete": []}
    monkeypatch.setattr(actions, "claim", lambda pk: called["claim"].append(pk) or "alone")
    monkeypatch.setattr(actions, "complete", lambda held, _ending: called["complete"].append(held) or "alone")
    return called


def given(monkeypatch: pytest.MonkeyPatch, line: str, result: Any) -> None:
    monkeypatch.setattr(together, line, SimpleNamespace(ask=lambda _wish: result))


def held(kind: str) -> Any:
    return SimpleNamespace(generation=Generation(kind=kind))


def test_what_could_not_be_claimed_with_others_is_claimed_by_itself(
    monkeypatch: pytest.MonkeyPatch, verbs: dict[str, list[Any]]
) -> None:
    given(monkeypatch, "_claims", "together")
    assert together.claim(uuid4()) == "together"  # type: ignore[comparison-overlap]
    given(monkeypatch, "_claims", None)
    alone: UUID = uuid4()
    assert together.claim(alone) == "alone"  # type: ignore[comparison-overlap]
    assert verbs["claim"] == [alone]


def test_a_draft_that_could_not_be_kept_with_others_is_kept_by_itself_and_so_is_each_synthesis(
    monkeypatch: pytest.MonkeyPatch, verbs: dict[str, list[Any]]
) -> None:
    draft, synthesis, ending = held("candidate"), held("synthesis"), actions.Ending(text="x")
    given(monkeypatch, "_drafts", draft)
    assert together.complete(draft, ending) is True
    assert together.complete(synthesis, ending) == "alone"  # type: ignore[comparison-overlap]
    given(monkeypatch, "_drafts", None)
    assert together.complete(draft, ending) == "alone"  # type: ignore[comparison-overlap]
    assert verbs["complete"] == [synthesis, draft]
