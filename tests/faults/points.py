"""The moments of a run at which a fault can be inflicted, and how a test speaks with the process that is held there.

All of it are files in a folder that both know (``FAULTS_FOLDER``). The test *arms* a point for one prompt; the first
process that comes there with a run of that prompt takes the arm away, writes its pid and waits for the word to go on.
So a point holds one process, once.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

PATIENCE = 45.0
"""Seconds after which a held process goes on by itself: a test that died must not hold it for ever."""

_AWAY = ".away"


class Point(StrEnum):
    """In the order in which a run comes past them."""

    AFTER_COMMIT = "after-commit"
    """The run is saved, none of its tasks sent."""
    IN_LAUNCH = "in-launch"
    """All tasks of the run but one are at the broker, which has not been told how many there will be."""
    AFTER_CLAIM = "after-claim"
    """A worker has claimed a draft and asked nobody yet."""
    MID_STREAM = "mid-stream"
    """A part of a draft stands in the database."""
    AFTER_LAST_DRAFT = "after-last-draft"
    """The last draft is saved; the chord does not know of it."""
    BEFORE_JOIN = "before-join"
    """Somebody is about to join the drafts."""
    AFTER_JOIN = "after-join"
    """The synthesis stands in the database; nobody was asked to write it."""
    IN_SYNTHESIS = "in-synthesis"
    """A part of the final answer stands in the database."""
    AFTER_FINAL = "after-final"
    """The final answer is saved; the task is not acknowledged."""


class Points:
    """The points of one copy of the product."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clear(self) -> None:
        """Nobody is held any more, and nothing is armed."""
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            if path.suffix != _AWAY:
                path.unlink(missing_ok=True)

    def lacks(self, what: str) -> bool:
        """Whether this part of the product has been taken away, in every process."""
        return (self.folder / f"{what}{_AWAY}").exists()

    @contextmanager
    def without(self, what: str) -> Iterator[None]:
        """The product lacks its ``sweep`` or its ``fence`` until the end of the context."""
        path = self.folder / f"{what}{_AWAY}"
        path.touch()
        try:
            yield
        finally:
            path.unlink()

    def arm(self, point: Point, token: str) -> None:
        """Hold the first process that comes here with a run whose prompt has this token."""
        _write(self._file(point, "armed"), token)

    def armed(self, point: Point) -> str:
        """The token for which the point is armed, or nothing."""
        try:
            return self._file(point, "armed").read_text()
        except FileNotFoundError:
            return ""

    def reached(self, point: Point) -> int:
        """The process that is held here, or 0."""
        try:
            return int(self._file(point, "reached").read_text())
        except FileNotFoundError:
            return 0

    def release(self, point: Point) -> None:
        """Let go on who is held here."""
        self._file(point, "go").touch()

    def hold(self, point: Point) -> None:
        """Called in the product: stay here until the test says so, unless another process was faster."""
        try:
            self._file(point, "armed").rename(self._file(point, "taken"))
        except FileNotFoundError:
            return
        _write(self._file(point, "reached"), str(os.getpid()))
        end = time.monotonic() + PATIENCE
        while not self._file(point, "go").exists() and time.monotonic() < end:
            time.sleep(0.01)

    def _file(self, point: Point, word: str) -> Path:
        return self.folder / f"{point}.{word}"


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.rename(path)


class InHand:
    """Which tasks the workers of one copy have taken and not ended; what a dead worker had counts no more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.with_name("in-hand")
        self.folder.mkdir(exist_ok=True)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, task: str) -> None:
        """This process has taken a message; the same task may come twice."""
        self._count(task, 1)

    def end(self, task: str) -> None:
        """This process is done with it."""
        self._count(task, -1)

    def of_the_living(self) -> set[str]:
        """Of all processes that live."""
        return {path.name for path in self.folder.iterdir() if Path(f"/proc/{path.name.partition('-')[0]}").exists()}

    def _count(self, task: str, more: int) -> None:
        path = self.folder / f"{os.getpid()}-{task}"
        with self._lock:
            self._counts[task] += more
            path.touch() if self._counts[task] > 0 else path.unlink(missing_ok=True)
