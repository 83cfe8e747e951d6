"""Many threads of one process at one SQLite file: they share a few open connections, and write in turn.

A connection is given back whenever a thread waits for a vendor, several times a run. To open another one costs more
than most queries, so it is kept for the next thread.

SQLite lets one write at a time. Who finds it busy sleeps and looks again, up to 100 ms later, and whoever looks at the
right moment is next: with ten threads of a worker that end their drafts together, the last of them waits a second for
work of some milliseconds. So the threads of a process stand in a line, and its first looks every millisecond whether
another process still writes.
"""

import sqlite3
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base

LOOK_AGAIN = 0.001
"""Seconds."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
IDLE_MAX = 8
"""Connections that are kept open for whoever comes next."""

_lines: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""By database."""
_idle: defaultdict[Any, list[sqlite3.Connection]] = defaultdict(list)
"""By file and options."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection, as Django knows it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn: threading.Lock | None = None
        self._kind: Any = None
        """Which others could take its place; ``None`` if none could."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        """One that somebody has given back, or a new one."""
        self._kind = _kind(conn_params)
        try:
            return _idle[self._kind].pop()
        except IndexError:
            opened: sqlite3.Connection = super().get_new_connection(conn_params)
            self._kind = _kind(conn_params)  # the file may have come into being with it
            return opened

    def _start_transaction_under_autocommit(self) -> None:
        """Begin, in turn; after the time that SQLite itself would wait, it is SQLite's to say what is wrong."""
        line = _lines[str(self.settings_dict["NAME"])]
        patience = self.settings_dict["OPTIONS"].get("timeout", 5)
        end = time.monotonic() + patience
        if line.acquire(timeout=patience):
            self._turn = line
        try:
            self.connection.execute("PRAGMA busy_timeout = 0")
            if not self._begun_before(end):
                super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs leave it out
        except BaseException:
            self._next()
            raise
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")

    def _begun_before(self, end: float) -> bool:
        """Try until another process has ended its write. What else is wrong is Django's to meet, and to say."""
        while self.settings_dict["OPTIONS"].get("transaction_mode") == "IMMEDIATE" and time.monotonic() < end:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY:
                    return False
                time.sleep(LOOK_AGAIN)
            else:
                return True
        return False

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # the stubs leave it out
        self._next()  # not when it fails: then a rollback follows

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._next()

    def _close(self) -> None:
        """Give it back, unless something went wrong with it, or a transaction's block still goes on."""
        try:
            kept = _idle[self._kind]
            sound = self._kind is not None and not (self.errors_occurred or self.in_atomic_block)
            if sound and self.connection is not None and len(kept) < IDLE_MAX:
                self.connection.rollback()
                kept.append(self.connection)
            else:
                super()._close()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._next()

    def _next(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()


def _kind(params: dict[str, Any]) -> Any:
    try:
        place = Path(params["database"]).stat()
    except OSError:
        return None
    return place.st_dev, place.st_ino, *sorted((name, str(value)) for name, value in params.items())
