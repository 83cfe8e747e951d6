"""One ``make run`` a folder."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from chatproject.run.errors import CannotRun

CLEANING = 8.0
"""Seconds to wait for the guardian of a killed run."""


@contextmanager
def the_only_run(var_dir: Path) -> Iterator[int]:
    """Hold the folder. Yields the descriptor of a second lock, which the guardian holds until it has cleaned up."""
    var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (var_dir / "run.lock").open("a") as run, (var_dir / "guardian.lock").open("a") as guardian:
        if not _locked(run):
            raise CannotRun(
                f"This folder runs already (it holds {var_dir}/run.lock). Stop that one first, or run a copy in another"
                " folder with another PORT."
            )
        deadline = time.monotonic() + CLEANING
        while not _locked(guardian):
            if time.monotonic() > deadline:
                raise CannotRun("A run that was killed is still being cleaned up. Try again in a moment.")
            time.sleep(0.05)
        yield guardian.fileno()


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
