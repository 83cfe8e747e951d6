"""What one run was like for the person who waited for it, and what many of them come to."""

import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

STAMP = re.compile(r"@(\d+\.\d+)\s")


@dataclass(frozen=True)
class Order:
    """What each model of a run is told to do."""

    pieces: int = 120
    gap: float = 0.02
    """Seconds between two pieces."""
    first: float = 0.25
    """Seconds until the first piece."""
    models: int = 3
    spread: float = 0.5
    """Seconds within which all people of a round ask."""

    @property
    def model(self) -> str:
        """The model's name at ``bench.vendor``."""
        return f"mock-{self.pieces}x{self.gap * 1000:.0f}ms-after{self.first * 1000:.0f}ms"

    @property
    def ideal(self) -> float:
        """Seconds that the models themselves take: the drafts side by side, then the synthesis of several."""
        return (2 if self.models > 1 else 1) * (self.first + (self.pieces - 1) * self.gap)


@dataclass
class Watched:
    """One run as a client saw it; moments are of ``time.monotonic``."""

    asked: float
    ended: float = 0.0
    texts: dict[str, str] = field(default_factory=dict)
    """Of each generation, what a page would show."""
    missed: set[str] = field(default_factory=set)
    """Generations of which pieces were missed, until a snapshot comes."""
    snapshots: int = 0
    """How often one had to be asked for."""
    came: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    """Of each generation, when which text came."""
    synthesis: str = ""
    frames: int = 0
    size: int = 0
    """Bytes of all frames."""
    stored: dict[str, str] = field(default_factory=dict)
    """Of each generation, what the database holds."""

    def take(self, generation: str, text: str, now: float) -> None:
        """More of a text came."""
        if text:
            self.texts[generation] = self.texts.get(generation, "") + text
            self.came.setdefault(generation, []).append((now, text))

    def piece(self, generation: str, offset: int, text: str, now: float) -> bool:
        """A piece came; returns whether one before it was missed, so that a snapshot must be asked for."""
        have = len(self.texts.get(generation, ""))
        if offset > have:
            new = generation not in self.missed
            self.missed.add(generation)
            self.snapshots += new
            return new
        self.take(generation, text[have - offset :], now)
        return False

    def whole(self, generation: str, text: str | None, now: float) -> None:
        """All of a text so far came: what of it is new is new now, and what contradicts it is kept, to be counted."""
        have = self.texts.get(generation, "")
        if text and text.startswith(have):
            self.missed.discard(generation)
            self.take(generation, text[len(have) :], now)

    def added(self) -> Iterable[float]:
        """Seconds from each piece's leaving the vendor to its coming here."""
        for pieces in self.came.values():
            for now, text in pieces:
                for stamp in STAMP.findall(text):
                    yield now - float(stamp)

    def drafts(self) -> list[list[tuple[float, str]]]:
        """What came of each draft."""
        return [pieces for generation, pieces in self.came.items() if generation != self.synthesis]

    def first_text(self, order: Order) -> float:
        """Seconds from the request to the first text, without the vendor's own."""
        return min(pieces[0][0] for pieces in self.came.values()) - self.asked - order.first

    def synthesis_gap(self, order: Order) -> float:
        """Seconds from the last piece of the last draft to the first of the synthesis, without the vendor's own."""
        last = max(float(STAMP.findall(pieces[-1][1])[-1]) for pieces in self.drafts())
        return self.came[self.synthesis][0][0] - last - order.first

    def total(self, order: Order) -> float:
        """How much longer it took than its models, as a ratio."""
        return (self.ended - self.asked) / order.ideal

    def diverged(self) -> bool:
        """Whether what came is not what is stored."""
        return any(self.texts.get(each) != text for each, text in self.stored.items())


@dataclass(frozen=True)
class Row:
    """One line of the table, over all runs of all rounds."""

    target: str
    users: int
    total: float
    worst: float
    first_text: float
    synthesis_gap: float | None
    added_p50: float
    added_p99: float
    held_p99: float
    """As ``added_p99``, of what left while all drafts of the one round were being written: nobody began or ended."""
    cpu: float
    servers_cpu: float
    """Of broker and database, which are not ours."""
    memory: float
    bytes_per_text: float
    diverged: int
    refused: int
    """Requests that were answered with an error. Only their CPU is counted."""
    vendor_p99: float

    HEAD = """\
| target | users | total / ideal (worst) | request to first text | draft to synthesis | added a piece p50 / p99 \
| CPU a run (servers) | memory | bytes / text | diverged | refused | vendor late p99 |
|---|---|---|---|---|---|---|---|---|---|---|---|"""

    def __str__(self) -> str:
        gap = "" if self.synthesis_gap is None else f"{self.synthesis_gap * 1000:.0f} ms"
        columns = [
            self.target,
            f"{self.users}",
            f"{self.total:.3f} ({self.worst:.3f})",
            f"{self.first_text * 1000:.0f} ms",
            gap,
            f"{self.added_p50 * 1000:.1f} / {self.added_p99 * 1000:.1f} ms",
            f"{self.cpu * 1000:.0f} ({self.servers_cpu * 1000:.0f}) ms",
            f"{self.memory:.0f} MB",
            f"{self.bytes_per_text:.1f}",
            f"{self.diverged}",
            f"{self.refused}",
            f"{self.vendor_p99 * 1000:.1f} ms",
        ]
        return "| " + " | ".join(columns) + " |"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else math.nan


def held(runs: Sequence[Watched]) -> list[float]:
    """What was added to each piece that left the vendor while all drafts of one round were being written."""
    drafts = [
        [(now, float(stamp)) for now, text in pieces for stamp in STAMP.findall(text)]
        for run in runs
        for pieces in run.drafts()
    ]
    begun, ended = max(pieces[0][1] for pieces in drafts), min(pieces[-1][1] for pieces in drafts)
    return [now - left for pieces in drafts for now, left in pieces if begun <= left <= ended]


def row(
    target: str,
    runs: Sequence[Watched],
    order: Order,
    *,
    cpu: float,
    servers_cpu: float,
    memory: float,
    lateness: Sequence[float],
    users: int,
    refused: int,
) -> Row:
    """Medians over runs, percentiles over pieces."""
    totals = [run.total(order) for run in runs]
    added = [seconds for run in runs for seconds in run.added()]
    text = sum(len(text) for run in runs for text in run.stored.values())
    return Row(
        target=target,
        users=users,
        total=statistics.median(totals),
        worst=max(totals),
        first_text=statistics.median(run.first_text(order) for run in runs),
        synthesis_gap=statistics.median(run.synthesis_gap(order) for run in runs) if runs[0].synthesis else None,
        added_p50=percentile(added, 0.5),
        added_p99=percentile(added, 0.99),
        held_p99=percentile(held(runs), 0.99),
        cpu=cpu / len(runs),
        servers_cpu=servers_cpu / len(runs),
        memory=memory,
        bytes_per_text=sum(run.size for run in runs) / text if text else 0.0,
        diverged=sum(run.diverged() for run in runs),
        refused=refused,
        vendor_p99=percentile(lateness, 0.99),
    )
