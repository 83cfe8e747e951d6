"""Write transactions of one process take turns, and a turn ends however its transaction does."""

import gc
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, ProgrammingError, connection, transaction

from chatproject.sqlite import base
from tests.racing import race

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite"),
]


@pytest.fixture(autouse=True)
def nobody_waits_for_long() -> Iterator[None]:
    """Whoever has to wait for what never ends fails soon."""
    options = connection.settings_dict["OPTIONS"]
    before, options["timeout"] = options["timeout"], 2
    connection.close()
    yield
    options["timeout"] = before
    connection.close()


def line() -> threading.Lock:
    return base._lines[str(connection.settings_dict["NAME"])]


def save(name: str) -> User:
    with transaction.atomic():
        return User.objects.create(username=name)


def somebody_elses() -> sqlite3.Connection:
    return sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None, check_same_thread=False)


def somebody_else_can_write() -> None:
    (made,) = race(lambda: save("next"))
    assert isinstance(made, User), made


def test_many_that_write_at_once_all_do() -> None:
    made = race(*(lambda number=number: [save(f"{number}-{each}") for each in range(20)] for number in range(16)))
    assert all(isinstance(each, list) for each in made), made
    assert User.objects.count() == 320


def test_while_one_writes_the_others_stand_in_a_line_before_sqlite() -> None:
    with transaction.atomic():
        assert line().locked()
    assert not line().locked()


def test_a_turn_ends_with_a_rollback() -> None:
    def fail() -> None:
        with transaction.atomic():
            save("ada")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    somebody_else_can_write()
    assert not User.objects.filter(username="ada").exists()


def test_a_turn_ends_with_its_connection() -> None:
    def go_on() -> None:
        with transaction.atomic():
            connection.close()
            assert not line().locked()
            User.objects.count()

    with pytest.raises(ProgrammingError, match="closed"):
        go_on()
    somebody_else_can_write()


def test_a_single_write_stands_in_the_line_too() -> None:
    made: list[User] = []
    writer = threading.Thread(target=lambda: made.append(User.objects.create(username="ada")) or connection.close())
    with line():
        writer.start()
        writer.join(0.3)
        assert not made
    writer.join(5)
    assert [user.username for user in made] == ["ada"]
    assert not line().locked()


def test_a_write_waits_for_another_process_and_then_is_done() -> None:
    other = somebody_elses()
    try:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.5, other.execute, ["COMMIT"]).start()
        assert User.objects.create(username="ada").pk
    finally:
        other.close()


@pytest.mark.parametrize("write", [save, lambda name: User.objects.create(username=name)])
def test_who_cannot_write_holds_nobody_up(write: Callable[[str], User]) -> None:
    """Another process writes for longer than anybody waits."""
    other = somebody_elses()
    connection.settings_dict["OPTIONS"]["timeout"] = 3
    try:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(OperationalError, match="locked"):
            write("ada")
        assert time.monotonic() - begun < 5, "it was waited for twice"
        assert not line().locked()
    finally:
        other.execute("ROLLBACK")
        other.close()
    somebody_else_can_write()


@pytest.fixture
def two_places(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.delitem(base._places, str(connection.settings_dict["NAME"]), raising=False)
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "connections", 2)
    base._new_places(connection.settings_dict["NAME"], 2)


@contextmanager
def holding(count: int) -> Iterator[None]:
    """So many threads have a connection, and do nothing with it."""
    may_go, have_one = threading.Event(), threading.Barrier(count + 1)

    def hold() -> None:
        User.objects.count()
        have_one.wait(5)
        may_go.wait(10)
        connection.close()

    threads = [threading.Thread(target=hold) for _ in range(count)]
    for thread in threads:
        thread.start()
    have_one.wait(5)
    try:
        yield
    finally:
        may_go.set()
        for thread in threads:
            thread.join(5)


@pytest.mark.usefixtures("two_places")
def test_who_finds_all_connections_taken_waits_for_one() -> None:
    counted: list[int] = []
    third = threading.Thread(target=lambda: counted.append(User.objects.count()) or connection.close())
    with holding(2):
        third.start()
        third.join(0.3)
        assert not counted
    third.join(5)
    assert counted == [0]


@pytest.mark.usefixtures("two_places")
def test_who_waits_for_a_connection_in_vain_is_told() -> None:
    with holding(2), pytest.raises(OperationalError, match="of 2 connections became free"):
        User.objects.count()


@pytest.mark.usefixtures("two_places")
def test_others_may_read_while_many_wait_long_to_write() -> None:
    writers = [threading.Thread(target=lambda each=each: save(each) and connection.close()) for each in "abc"]
    with line():
        for writer in writers:
            writer.start()
        begun = time.monotonic()
        assert User.objects.count() == 0
        assert time.monotonic() - begun < 1.5
        connection.close()
    for writer in writers:
        writer.join(5)
    assert User.objects.count() == 3


@pytest.mark.usefixtures("two_places")
def test_a_thread_that_ends_with_its_connection_holds_nobody_up() -> None:
    for _ in range(3):
        thread = threading.Thread(target=User.objects.count)
        thread.start()
        thread.join(5)
        del thread
        gc.collect()
    assert User.objects.count() == 0
