"""Tasks that ask for their claims at one time are given them together."""

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError

from runs import actions
from tests.product import wait_for
from workers import claiming
from workers.claiming import Claimer


class Rows:
    """What stands in for the database: each generation can be claimed once."""

    def __init__(self) -> None:
        self.free: set[UUID] = set()
        self.limited: set[UUID] = set()
        """Those that can only be claimed by themselves."""
        self.together: list[set[UUID]] = []
        self.alone: list[UUID] = []
        self.error: Exception | None = None
        self.open = threading.Event()
        """Until it is set, whoever claims for many waits."""

    def claim(self, generation_id: UUID) -> Any:
        self.alone.append(generation_id)
        if generation_id not in self.free:
            return None
        self.free.discard(generation_id)
        return f"claim of {generation_id}"

    def claim_all(self, generation_ids: Collection[UUID]) -> dict[UUID, Any]:
        gate = self.open
        self.together.append(set(generation_ids))
        assert gate.wait(10)
        if self.error:
            raise self.error
        taken = self.free.intersection(generation_ids) - self.limited
        self.free -= taken
        return {each: f"claim of {each}" for each in taken}


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    found = Rows()
    monkeypatch.setattr(actions, "claim", found.claim)
    monkeypatch.setattr(actions, "claim_all", found.claim_all)
    return found


Ask = Callable[..., list[Any]]


@pytest.fixture
def tasks() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as threads:
        yield threads


@pytest.fixture
def ask(rows: Rows, tasks: ThreadPoolExecutor) -> Ask:
    """Ask for one, and for others while that one is claimed; what each was given, in their order."""
    claimer = Claimer()

    def both(first: UUID, *others: UUID) -> list[Any]:
        futures: list[Future[Any]] = [tasks.submit(claimer.claim, first)]
        wait_for(lambda: rows.together == [{first}])
        futures += [tasks.submit(claimer.claim, other) for other in others]
        wait_for(lambda: len(claimer._asking) == len(others))
        rows.open.set()
        return [future.result(10) for future in futures]

    return both


def ids(rows: Rows, count: int) -> list[UUID]:
    found = [uuid4() for _ in range(count)]
    rows.free.update(found)
    return found


def test_who_asks_while_another_claims_is_claimed_with_all_who_ask(rows: Rows, ask: Ask) -> None:
    first, *others = ids(rows, 12)
    assert ask(first, *others) == [f"claim of {each}" for each in (first, *others)]
    assert rows.together == [{first}, set(others)]
    assert rows.alone == []


def test_of_two_that_ask_for_one_generation_one_is_given_it(rows: Rows, ask: Ask) -> None:
    first, second = ids(rows, 2)
    given = ask(first, second, second)
    assert sorted(map(str, given)) == sorted([f"claim of {first}", f"claim of {second}", "None"])


def test_what_can_not_be_claimed_with_others_is_claimed_by_itself(rows: Rows, ask: Ask) -> None:
    first, second, third = ids(rows, 3)
    rows.limited = {third}
    assert ask(first, second, third) == [f"claim of {each}" for each in (first, second, third)]
    assert rows.alone == [third]


@pytest.mark.parametrize("error", [OperationalError("away"), ValueError("a mistake")])
def test_when_nobody_can_be_claimed_together_each_tries_by_itself(rows: Rows, ask: Ask, error: Exception) -> None:
    first, second, third = ids(rows, 3)
    rows.error = error
    assert ask(first, second, third) == [f"claim of {each}" for each in (first, second, third)]
    assert sorted(rows.alone, key=str) == sorted([first, second, third], key=str)


def test_one_that_hangs_holds_up_only_whom_it_claims_for(
    rows: Rows, tasks: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "PATIENCE", 0.1)
    claimer = Claimer()
    first, second, third = ids(rows, 3)
    hung = tasks.submit(claimer.claim, first)
    wait_for(lambda: rows.together == [{first}])
    silence, rows.open = rows.open, threading.Event()
    rows.open.set()
    for later in (second, third):
        assert tasks.submit(claimer.claim, later).result(10) == f"claim of {later}"
    assert not hung.done()
    silence.set()
    assert hung.result(10) == f"claim of {first}"


def test_who_has_a_connection_waits_for_nobody_who_may_need_it(
    rows: Rows, tasks: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimer = Claimer()
    first, second, third = ids(rows, 3)
    busy = tasks.submit(claimer.claim, first)
    wait_for(lambda: rows.together == [{first}])
    waiting = tasks.submit(claimer.claim, second)
    wait_for(lambda: len(claimer._asking) == 1)
    monkeypatch.setattr(claiming, "PATIENCE", 60)
    monkeypatch.setattr(claiming, "connection", SimpleNamespace(connection="open"))
    silence, rows.open = rows.open, threading.Event()
    rows.open.set()
    assert tasks.submit(claimer.claim, third).result(10) == f"claim of {third}"
    assert waiting.result(10) == f"claim of {second}"
    silence.set()
    assert busy.result(10) == f"claim of {first}"
    assert rows.together == [{first}, {second, third}]


def test_an_error_of_one_keeps_nobody_from_being_claimed_later(rows: Rows) -> None:
    claimer, (later,) = Claimer(), ids(rows, 1)
    rows.open.set()

    def broken(_generation_id: UUID) -> Any:
        raise OperationalError("away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actions, "claim", broken)
        patch.setattr(actions, "claim_all", broken)
        with pytest.raises(OperationalError):
            claimer.claim(later)
    assert claimer.claim(later) == f"claim of {later}"
