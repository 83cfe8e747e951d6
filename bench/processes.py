"""What processes use, as Linux counts it, and on which core they run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Pinned:
    """The measured on the first core of this machine, what measures on the second; on one core nothing is pinned."""

    cores = sorted(os.sched_getaffinity(0))

    @classmethod
    @contextmanager
    def to_first(cls) -> Iterator[None]:
        """What is started within the context runs there."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cls.cores[:1])
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    @classmethod
    def move_to_second(cls, pid: int) -> None:
        """A process with all of its threads."""
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cls.cores[1:2] or cls.cores)


def cpu_seconds(pid: int) -> float:
    """Processor time of one process and of its children so far, also of those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(int, fields[11:15])) / TICKS + sum(cpu_seconds(int(child)) for child in children)


def proportional_megabytes(pid: int) -> float:
    """Memory of one process; of what it shares with others, its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
