"""How much the processes hold: threads, files, memory, connections. After a storm it must be near what it was."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.place import CLOCKS, Place

MORE_FILES = 40
MORE_MEGABYTES = 80
MORE_CONNECTIONS = 40
"""To the broker and the database: each task that ran at the same time may have left one in a pool."""
MORE_THREADS = 30


@dataclass
class Footprint:
    """One look at everything."""

    processes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Threads, open files and megabytes of each process."""
    broker: int = 0
    database: int = 0

    def __str__(self) -> str:
        each = [
            f"{label} {threads} threads, {files} files, {size} MB"
            for label, (threads, files, size) in self.processes.items()
        ]
        return f"{'; '.join(each)}; {self.broker} connections to the broker, {self.database} to the database"


def look(place: Place) -> Footprint:
    """What the processes of the product hold now."""
    found = Footprint()
    for label, process in place.product.processes.items():
        if label != "broker":
            found.processes[label] = _of(process.pid)
    with place.broker() as broker:
        found.broker = len(broker.client_list())
    if place.server:
        query = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = 'polyphony'"
        found.database = int(place.product.rows(query)[0][0])
    return found


def growth(before: Footprint, after: Footprint) -> Iterator[str]:
    """What has grown more than the work of a moment explains."""
    for label, (threads, files, size) in after.processes.items():
        files_before, size_before = _most(before, label)
        if threads > int(CLOCKS["WORKER_CONCURRENCY"]) + MORE_THREADS:
            yield f"{label} has {threads} threads"
        if files > files_before + MORE_FILES:
            yield f"{label} has {files} open files, before it had {files_before}"
        if size > size_before + MORE_MEGABYTES:
            yield f"{label} takes {size} MB, before it took {size_before}"
    if after.broker > before.broker + MORE_CONNECTIONS:
        yield f"{after.broker} connections to the broker, before there were {before.broker}"
    if after.database > before.database + MORE_CONNECTIONS:
        yield f"{after.database} connections to the database, before there were {before.database}"


def _most(found: Footprint, label: str) -> tuple[int, int]:
    """Files and megabytes of the largest process of this kind; of two workers one may have had nothing to do."""
    same = [held for each, held in found.processes.items() if each.split()[-1] == label.rsplit(maxsplit=1)[-1]]
    return max(files for _, files, _ in same), max(size for _, _, size in same)


def _of(pid: int) -> tuple[int, int, int]:
    folder = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
    return int(status["Threads"]), len(list((folder / "fd").iterdir())), int(status["VmRSS"].split()[0]) // 1024
