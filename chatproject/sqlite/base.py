"""Many threads of one process at one SQLite file: they share a few open connections, and write in turn.

A connection is given back whenever a thread waits for a vendor, several times a run. To open another one costs more
than most queries, so it is kept for the next thread. Who finds all of them taken waits, as at a pool of PostgreSQL's:
hundreds of threads that are busy at once hinder each other, take the processor from the streams, and leave a hundred
kilobytes each in the allocator.

SQLite lets one write at a time. Who finds it busy sleeps and looks again, up to 100 ms later, and whoever looks at the
right moment is next: with ten threads of a worker that end their drafts together, the last of them waits a second for
work of some milliseconds. So the threads of a process stand in a line, and its first looks every millisecond whether
another process still writes. Beside busy workers a program that is none of ours may wait long, in SQLite's way.
"""

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from django.db.backends.sqlite3 import base

T = TypeVar("T")
LOOK_AGAIN = 0.001
"""Seconds."""
_WRITES = ("INSERT", "UPDATE", "DELETE")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
CONNECTIONS = 4
"""A process has as many at a time, unless ``OPTIONS["connections"]`` says otherwise. One thread of Python runs at a
time and one transaction writes, so more of them were slower."""

_lines: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""By database."""
_places: dict[str, "SimpleQueue[None]"] = {}
"""By database: one for each connection that may be in use. Of all queues and locks only this one may be given something
back while garbage is collected."""
BRIEF = 0.25
"""Seconds. Who waits longer for its turn to write gives its place to those who only read."""
_idle: defaultdict[Any, list[sqlite3.Connection]] = defaultdict(list)
"""By file and options."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection, as Django knows it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn: threading.Lock | None = None
        self._most = CONNECTIONS
        self._place: SimpleQueue[None] | None = None
        self._kind: Any = None
        """Which others could take its place; ``None`` if none could."""

    def __del__(self) -> None:
        """A thread that ended with a connection in its hands holds nobody up."""
        self.end_turn()
        self._leave_place()

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        """One that somebody has given back, or a new one, once there is room for it.

        Raises:
            sqlite3.OperationalError: others have held all of them for all of the timeout.
        """
        conn_params = conn_params.copy()
        self._most = conn_params.pop("connections", CONNECTIONS)
        self._take_place(self._patience())
        try:
            self._kind = _kind(conn_params)
            try:
                return _idle[self._kind].pop()
            except IndexError:
                opened: sqlite3.Connection = super().get_new_connection(conn_params)
                self._kind = _kind(conn_params)  # the file may have come into being with it
                return opened
        except BaseException:
            self._leave_place()
            raise

    def create_cursor(self, name: str | None = None) -> base.SQLiteCursorWrapper:
        """A cursor that takes its turn for a write outside of any transaction."""
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        cursor.owner = self
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        """Begin, in turn."""
        if self.settings_dict["OPTIONS"].get("transaction_mode") != "IMMEDIATE":
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs leave it out
            return
        try:
            with self.wrap_database_errors:
                self.write(lambda: self.connection.execute("BEGIN IMMEDIATE"))
        except BaseException:
            self.end_turn()
            raise

    def write(self, statement: Callable[[], T]) -> T:
        """Run what wants SQLite's lock, once it is this thread's turn and no other process writes.

        Raises:
            sqlite3.OperationalError: somebody else has written for all of the timeout.
        """
        patience = self._patience()
        end = time.monotonic() + patience
        line = _lines[str(self.settings_dict["NAME"])]
        if line.acquire(timeout=min(BRIEF, patience)):
            self._turn = line
        else:
            self._wait_without_a_place(line, end)
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    return statement()
                except sqlite3.OperationalError as error:
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY or time.monotonic() > end:
                        raise
                time.sleep(LOOK_AGAIN)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")

    def end_turn(self) -> None:
        """Let the next thread write."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # the stubs leave it out
        self.end_turn()  # not when it fails: then a rollback follows

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self.end_turn()

    def _close(self) -> None:
        """Give it back, unless something went wrong with it, or a transaction's block still goes on."""
        try:
            kept = _idle[self._kind]
            sound = self._kind is not None and not (self.errors_occurred or self.in_atomic_block)
            if sound and self.connection is not None and len(kept) < self._most:
                self.connection.rollback()
                kept.append(self.connection)
            else:
                super()._close()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self.end_turn()
            self._leave_place()

    def _wait_without_a_place(self, line: threading.Lock, end: float) -> None:
        """Somebody writes for long: meanwhile others may read.

        Nobody who has a place waits for its turn for long, so that who has its turn gets a place.
        """
        self._leave_place()
        if line.acquire(timeout=max(0.0, end - time.monotonic())):
            self._turn = line
        self._take_place(max(BRIEF, end - time.monotonic()))

    def _take_place(self, patience: float) -> None:
        self._leave_place()
        places = _places.get(str(self.settings_dict["NAME"])) or _new_places(self.settings_dict["NAME"], self._most)
        try:
            places.get(timeout=patience)
        except Empty:
            raise sqlite3.OperationalError(
                f"None of {self._most} connections became free in {patience:.0f} s"
            ) from None
        self._place = places

    def _leave_place(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            place.put(None)

    def _patience(self) -> float:
        """Seconds."""
        return float(self.settings_dict["OPTIONS"].get("timeout", 5))


class Cursor(base.SQLiteCursorWrapper):
    """A cursor whose single writes take their turn too: in SQLite's sleeps they would be the last."""

    owner: DatabaseWrapper

    def execute(self, query: str, params: Any = None) -> Any:
        """As Django's."""
        if self.connection.in_transaction or not query.lstrip()[:6].upper().startswith(_WRITES):
            return super().execute(query, params)
        try:
            return self.owner.write(lambda: super(Cursor, self).execute(query, params))
        finally:
            self.owner.end_turn()


def _new_places(name: object, most: int) -> "SimpleQueue[None]":
    places: SimpleQueue[None] = SimpleQueue()
    for _ in range(most):
        places.put(None)
    return _places.setdefault(str(name), places)


def _kind(params: dict[str, Any]) -> Any:
    try:
        place = Path(params["database"]).stat()
    except OSError:
        return None
    return place.st_dev, place.st_ino, *sorted((name, str(value)) for name, value in params.items())
