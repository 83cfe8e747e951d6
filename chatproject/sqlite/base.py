"""Many threads of one process at one SQLite file: they share a few open connections, and write in turn.

A connection is given back whenever a thread waits for a vendor, several times a run. To open another one costs more
than most queries, so it is kept for the next thread.

SQLite lets one write at a time. Who finds it busy sleeps and looks again, up to 100 ms later, and whoever looks at the
right moment is next: with ten threads of a worker that end their drafts together, the last of them waits a second for
work of some milliseconds. So the threads of a process stand in a line before that. Other processes are still waited for
in SQLite's own way.
"""

import sqlite3
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base

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
        if line.acquire(timeout=self.settings_dict["OPTIONS"].get("timeout", 5)):
            self._turn = line
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs leave it out
        except BaseException:
            self._next()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # the stubs leave it out
        self._next()  # not when it fails: then a rollback follows

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._next()

    def _close(self) -> None:
        """Give it back, unless something went wrong with it."""
        try:
            kept = _idle[self._kind]
            sound = self.connection is not None and self._kind is not None and not self.errors_occurred
            if sound and len(kept) < IDLE_MAX:
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
