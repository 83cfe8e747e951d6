"""A tiny process of its own that outlives a killed supervisor just long enough to clean up after it.

It reads from a pipe that only the supervisor holds: ``+ GROUP`` and ``- GROUP`` for process groups, ``rubbish PATH``
for what is to be removed, ``dismissed`` when all groups have ended. When the pipe ends, it cleans up.
It is run by path, so it imports nothing of ours and only what the standard library loads fast.
"""

import os
import shutil
import signal
import sys
import time

PATIENCE = 2.0
"""Seconds from asking the groups to end until they are killed."""


def main() -> None:
    """Listen until the pipe ends, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    rubbish: list[str] = []
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "dismissed":
            groups.clear()
        elif word == "+":
            groups.add(int(rest))
        elif word == "-":
            groups.discard(int(rest))
        else:
            rubbish.append(rest)
    end(groups)
    for path in rubbish:
        remove(path)


def end(groups: set[int]) -> None:
    """Ask every group to end, then kill what is left."""
    deadline = time.monotonic() + PATIENCE
    left = {group for group in groups if tell(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if tell(group, 0)}
    for group in left:
        tell(group, signal.SIGKILL)


def tell(group: int, number: int) -> bool:
    """Signal a group; whether anybody was there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def remove(path: str) -> None:
    """Remove a file or a folder, if it is still there."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.exists(path):  # noqa: PTH110 -- pathlib would double what this process holds
        os.unlink(path)  # noqa: PTH108


if __name__ == "__main__":
    main()
