"""Random faults under a constant load, for as long as you like; at the end everything is judged and told in a table.

    python -m tests.faults.chaos --minutes 30 --database postgresql --seed 7 --report table.md

It leaves no process behind, whichever way it ends. The exit status says whether every promise was kept.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.faults import footprint, promises, rows
from tests.faults.footprint import Footprint
from tests.faults.load import Load
from tests.faults.place import DATABASES, RUN_SECONDS, Place, a_place
from tests.faults.promises import Broken
from tests.faults.report import Report
from tests.faults.storm import Storm

PEOPLE = 4
CONVERSATIONS = 8
MORE = {"FALLBACK_MASTERS": "openai:tell-20x20ms@d,wire:tell-10x5ms@d", "PROVIDER_AT_ONCE": "anthropic=6"}
"""What the product is configured with beside the clocks."""
CALM_SECONDS = 8.0
"""At the beginning, to see how much the processes hold."""
TICK = 0.1
LATEST = RUN_SECONDS + 30
"""Each run must have ended by its deadline and 30 seconds."""


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, _leave)
    with (
        tempfile.TemporaryDirectory(prefix="polyphony-chaos-") as folder,
        a_place(Path(folder) / "product", options.database, PEOPLE, **MORE) as place,
    ):
        report = Chaos(place, options.seed, options.minutes).play()
        if report.failed and options.keep:
            _keep(place, options.keep)
    print(f"\n{report.markdown()}", flush=True)
    if options.report:
        options.report.write_text(f"{report.markdown()}\n")
    if report.failed:
        sys.exit(f"\nNot everything was as it must be.\n{report.troubles()}")


class Chaos:
    """One storm from its beginning to the judgement."""

    def __init__(self, place: Place, seed: int, minutes: float) -> None:
        self.place = place
        self.seed = seed
        self.minutes = minutes
        self.began = time.monotonic()
        self.storm = Storm(place, seed, say=self.say)
        self.load = Load(place, seed, CONVERSATIONS)

    def say(self, sentence: str) -> None:
        """A line for whoever looks on."""
        print(f"{time.monotonic() - self.began:7.1f} s  {sentence}", flush=True)

    def play(self) -> Report:
        """The storm, the calm after it, and what is to be said."""
        self.place.product.start_program("worker", "second worker")
        self.say(f"{self.place.database}, seed {self.seed}: load without faults")
        self.load.start()
        self._run(CALM_SECONDS, calm=True)
        before = footprint.look(self.place)
        self._run(self.minutes * 60)
        self.say("no more faults")
        self.storm.clear_up()
        self.load.finish(lambda: self.storm.tick(calm=True), LATEST + 60)
        self._wait_for_runs()
        return self._judge(before)

    def _run(self, seconds: float, *, calm: bool = False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.storm.tick(calm=calm)
            time.sleep(TICK)

    def _wait_for_runs(self) -> None:
        end = time.monotonic() + LATEST
        while time.monotonic() < end and rows.active(self.place.product):
            self.storm.tick(calm=True)
            time.sleep(0.5)
        self.say("every run has ended" if time.monotonic() < end else "some runs have not ended")
        self._run(CALM_SECONDS, calm=True)

    def _judge(self, before: Footprint) -> Report:
        told, storm = self.load.told, self.storm
        runs = rows.read(self.place.product, set(told.tokens), history=True)
        book = self.place.wire.requests()
        broken = promises.broken(runs, told.tokens, book)
        broken += [Broken("diverged", *sentence.split(": ", 1)) for sentence in told.diverged]
        after = footprint.look(self.place)
        return Report(
            database=self.place.database,
            seed=self.seed,
            minutes=self.minutes,
            faults=storm.faults,
            history=storm.history,
            slow_ends=storm.slow_ends,
            told=told,
            runs=runs,
            calls=len(book),
            broken=broken,
            revived=storm.revived,
            before=before,
            after=after,
            grown=list(footprint.growth(before, after)),
        )


def _keep(place: Place, where: Path) -> None:
    """Copy what the processes have printed."""
    where.mkdir(parents=True, exist_ok=True)
    for path in place.product.folder.glob("*.log"):
        (where / path.name).write_bytes(path.read_bytes())


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Asked to end is as good as Ctrl-C: what was started is stopped."""
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="chooses faults and load")
    parser.add_argument("--report", type=Path, help="a file for the table")
    parser.add_argument("--keep", type=Path, help="a folder for the logs, if something was not as it must be")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
