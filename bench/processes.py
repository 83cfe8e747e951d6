"""What the processes of the product use, as Linux counts it."""

import os
from pathlib import Path

from tests.product import Product

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(product: Product) -> float:
    """Processor time of all processes so far."""
    return sum(_ticks(process.pid) for process in product.processes.values()) / TICKS


def resident_megabytes(product: Product) -> float:
    """Proportional memory of all processes: what they share is counted once."""
    return sum(_proportional_kilobytes(process.pid) for process in product.processes.values()) / 1024


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _proportional_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
