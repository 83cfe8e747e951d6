"""What a storm did and what it found, as a Markdown table, and how to look further into what was not as it must be."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.faults.footprint import Footprint
from tests.faults.load import Told
from tests.faults.promises import Broken
from tests.faults.rows import ENDED, Run
from tests.wire.telling import is_told


@dataclass
class Report:
    """Everything that is told at the end."""

    database: str
    seed: int
    minutes: float
    faults: Counter[str]
    history: list[tuple[float, str]]
    slow_ends: list[str]
    told: Told
    runs: list[Run]
    calls: int
    broken: list[Broken]
    revived: int
    before: Footprint
    after: Footprint
    grown: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything is not as it must be."""
        return bool(self.broken or self.grown or self.slow_ends or self.told.crashed)

    def markdown(self) -> str:
        """The tables."""
        return "\n".join(
            [
                f"### {self.minutes:g} minutes on {self.database}, seed {self.seed}",
                "",
                *_table(("what", "number"), self._numbers()),
                "",
                *_table(("fault", "times"), sorted(self.faults.items())),
                "",
                f"Before: {self.before}.",
                f"After: {self.after}.",
            ]
        )

    def troubles(self) -> str:
        """What went wrong, each with the faults before it and the rows that it is about."""
        lines = [f"seed {self.seed} on {self.database}"]
        for about, broken in list(_by_subject(self.broken).items()):
            lines += ["", *map(str, broken)]
            run = next((run for run in self.runs if run.id in about), None)
            lines += self._about(run) if run else []
        lines += [f"took too long to end: {end}" for end in self.slow_ends]
        lines += [f"grown: {sentence}" for sentence in self.grown]
        lines += [f"the load itself: {sentence}" for sentence in self.told.crashed]
        return "\n".join(lines)

    def _numbers(self) -> Iterator[tuple[str, object]]:
        statuses = Counter(run.status for run in self.runs)
        kinds = Counter(broken.kind for broken in self.broken)
        yield "runs", len(self.runs)
        for status in sorted(ENDED):
            yield status, statuses[status]
        codes = Counter(run.error for run in self.runs if run.error)
        yield "why they failed", ", ".join(f"{code} {number}" for code, number in codes.most_common()) or "-"
        failed = Counter(g.error for run in self.runs for g in run.generations if is_told([g.model]) and g.error)
        yield "why healthy models failed", ", ".join(f"{code} {number}" for code, number in failed.most_common()) or "-"
        yield "what people did", ", ".join(f"{what} {times}" for what, times in sorted(self.told.done.items())) or "-"
        for kind in ("lost", "duplicated", "mixed", "fenced", "overcalled", "diverged"):
            yield kind, kinds[kind]
        yield (
            "attempts, provider calls",
            f"{sum(g.attempt for run in self.runs for g in run.generations)}, {self.calls}",
        )
        yield (
            "runs with more than one attempt at a text",
            sum(any(g.attempt > 1 for g in r.generations) for r in self.runs),
        )
        well = [run for run in self.runs if is_told(generation.model for generation in run.generations)]
        stills = sorted(standstill(run) for run in well) or [0.0]
        yield "slowest recovery (longest standstill of an active run of healthy models)", f"{stills[-1]:.1f} s"
        yield (
            "the same, median and 99 of 100",
            f"{stills[len(stills) // 2]:.1f} s, {stills[len(stills) * 99 // 100]:.1f} s",
        )
        yield (
            "pages, their connections, snapshots asked for",
            f"{self.told.pages}, {self.told.sockets}, {self.told.asked}",
        )
        yield "processes revived", self.revived

    def _about(self, run: Run) -> Iterator[str]:
        times = [step.at for step in run.steps]
        if times:
            yield f"steps: {[(round(step.at - times[0], 2), step.status) for step in run.steps]}"
            for at, fault in self.history:
                if times[0] - 8 < at < times[-1] + 15:
                    yield f"fault at {at - times[0]:+.2f} s: {fault}"
        for generation in run.generations:
            yield f"{generation.kind} {generation.model} {generation.id} {generation.status} {generation.error}"
            for entry in run.entries:
                if entry.generation == generation.id:
                    at = entry.at - times[0] if times else entry.at
                    yield f"  {at:+.2f} {entry.status} {entry.attempt} {entry.owner[:8]} …{entry.text[-40:]!r}"
        for message in run.messages:
            yield f"message {message.id} {message.kind} {message.content[:60]!r}"


def _by_subject(broken: list[Broken]) -> dict[str, list[Broken]]:
    found: dict[str, list[Broken]] = {}
    for each in broken:
        found.setdefault(each.about, []).append(each)
    return found


def standstill(run: Run) -> float:
    """The longest time in which nothing was written about a run that was active."""
    longest, active = 0.0, False
    written = sorted([(step.at, step.status) for step in run.steps] + [(entry.at, "") for entry in run.entries])
    for (at, status), (next_at, _) in pairwise(written):
        active = status not in ENDED if status else active
        longest = max(longest, next_at - at) if active else longest
    return longest


def _table(head: tuple[str, str], rows: object) -> Iterator[str]:
    yield f"| {head[0]} | {head[1]} |"
    yield "| --- | ---: |"
    for name, value in rows:  # type: ignore[attr-defined]
        yield f"| {name} | {value} |"
