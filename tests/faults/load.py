"""A constant load: people who talk in several threads, stop some runs, try others again, and watch all of it."""

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import psycopg

from tests.faults import rows
from tests.faults.client import Page
from tests.faults.place import MODELS, Place
from tests.faults.scene import insist
from tests.product import Person

VENDORS = ("wire", "openai", "anthropic")
SLOTS = "abcd"
RUNS_PER_THREAD = 8
PAGE_PATIENCE = 40.0
"""Seconds within which a page must have caught up, also while faults go on."""


@dataclass
class Told:
    """What the load did and saw."""

    tokens: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    """What people did to their runs, as far as it changed something."""
    pages: int = 0
    sockets: int = 0
    """How often pages were connected."""
    asked: int = 0
    """How often they asked for a snapshot."""
    crashed: list[str] = field(default_factory=list)
    """Mistakes of the load itself."""


class Load:
    """Conversations that go on until they are told to come to an end."""

    def __init__(self, place: Place, seed: int, conversations: int) -> None:
        self.told = Told()
        self._place = place
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._talk, args=(random.Random(f"{seed}-{number}"), number), daemon=True)
            for number in range(conversations)
        ]

    def start(self) -> None:
        """Everybody begins to talk."""
        for thread in self._threads:
            thread.start()

    def finish(self, tick: Callable[[], None], seconds: float) -> None:
        """Nobody asks anything new; returns when the last page has caught up, or time is over."""
        self._over.set()
        end = time.monotonic() + seconds
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < end:
            tick()
            time.sleep(0.2)

    def _talk(self, rng: random.Random, number: int) -> None:
        person = self._place.people[number % len(self._place.people)]
        while not self._over.is_set():
            try:
                Conversation(self._place, person, rng, self.told).go_on_until(self._over.is_set)
            except Exception as error:  # noqa: BLE001 -- it is reported at the end
                self.told.crashed.append(f"{type(error).__name__}: {error}")
                time.sleep(1)


class Conversation:
    """One thread, one or two pages on it, and some runs one after another."""

    def __init__(self, place: Place, person: Person, rng: random.Random, told: Told) -> None:
        self._place, self._person, self._rng, self._told = place, person, rng, told
        self._thread = ""
        self._tokens: list[str] = []
        self._pages: list[Page] = []

    def go_on_until(self, over: Callable[[], bool]) -> None:
        """Ask again and again, then let the pages catch up."""
        self._thread = self._insist(lambda: self._person.api.post("/api/threads/", json={})).json()["id"]
        for _ in range(self._rng.choice((1, 1, 2))):
            self._pages.append(self._place.audience.watch(self._place.product, self._person, self._thread))
        for _ in range(RUNS_PER_THREAD):
            if over():
                break
            self._one_run()
        self._compare()

    def _one_run(self) -> None:
        token = f"{self._rng.getrandbits(32):08x}"
        self._tokens.append(token)
        self._told.tokens.append(token)
        run = insist(self._person, self._thread, token, _some_models(self._rng), 120, **_some_quorum(self._rng))
        if self._rng.random() < 0.25:
            time.sleep(self._rng.uniform(0, 2))
            self._meddle(run)
        if self._ended(run) in ("failed", "cancelled") and self._rng.random() < 0.6:
            self._try_again(run)
            self._ended(run)

    def _meddle(self, run: str) -> None:
        """Stop all of it or one model of it, or have the answer written now."""
        generations = self._get(run)["generations"]
        address = self._rng.choice(
            (
                f"/api/runs/{run}/stop/",
                f"/api/runs/{run}/synthesize/",
                f"/api/generations/{self._rng.choice(generations)['id']}/stop/",
            )
        )
        self._do(address)

    def _try_again(self, run: str) -> None:
        """All of it, or one model that gave no answer."""
        missing = [each["id"] for each in self._get(run)["generations"] if each["status"] in ("failed", "cancelled")]
        one = f"/api/generations/{self._rng.choice(missing)}/retry/" if missing else ""
        self._do(one if one and self._rng.random() < 0.5 else f"/api/runs/{run}/retry/")

    def _do(self, address: str) -> None:
        answer = self._insist(lambda: self._person.api.post(address))
        if answer.status_code == 202:
            self._told.done[f"{address.split('/')[2]}/…/{address.split('/')[4]}"] += 1

    def _get(self, run: str) -> dict[str, Any]:
        return dict(self._insist(lambda: self._person.api.get(f"/api/runs/{run}/")).raise_for_status().json())

    def _ended(self, run: str) -> str:
        """How the run ended, or nothing when it did not within its time."""
        end = time.monotonic() + self._place.run_seconds + 40
        while time.monotonic() < end:
            status = str(self._get(run)["status"])
            if status in rows.ENDED:
                return status
            time.sleep(0.3)
        return ""

    def _insist(self, send: Callable[[], httpx2.Response]) -> httpx2.Response:
        """Send again until a server that works has answered."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                answer = send()
            except httpx2.HTTPError:
                time.sleep(0.3)
                continue
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
            time.sleep(0.3)
        raise TimeoutError("the web process did not answer for two minutes")

    def _compare(self) -> None:
        """Each page must come to show what the database holds, once that changes no more."""
        end = time.monotonic() + PAGE_PATIENCE
        while (found := self._differences()) and time.monotonic() < end:
            if self._is_changing():
                end = time.monotonic() + PAGE_PATIENCE
            time.sleep(0.5)
        self._told.diverged += found
        for page in self._pages:
            self._place.audience.close_page(page)
            self._told.pages += 1
            self._told.sockets += page.sockets
            self._told.asked += page.asked

    def _differences(self) -> list[str]:
        return [
            f"{run}: {sentence}"
            for page in self._pages
            for run in self._runs()
            for sentence in page.differences(run)
            or [f"closed with {page.closed_for_good}"] * bool(page.closed_for_good)
        ]

    def _is_changing(self) -> bool:
        """Whether a model still writes, perhaps long after its run has ended."""
        return any(each.status not in rows.ENDED for run in self._runs() for each in run.generations)

    def _runs(self) -> list[rows.Run]:
        """What the database holds, once it can be read."""
        while True:
            try:
                return rows.read(self._place.product, self._tokens, thread=self._thread)
            except (psycopg.Error, sqlite3.Error):
                time.sleep(0.2)


def _some_models(rng: random.Random) -> Sequence[str]:
    """One to four, of different pace, some of which fail at once, in the middle or for good."""
    names = sorted({name.partition("@")[0] for name in MODELS})
    telling = [name for name in names if name.startswith("tell-")]
    failing = [name for name in names if name not in telling]
    return [
        f"{rng.choice(VENDORS)}:{rng.choice(failing if rng.random() < 0.12 else telling)}@{slot}"
        for slot in SLOTS[: rng.choice((1, 2, 3, 3, 4))]
    ]


def _some_quorum(rng: random.Random) -> dict[str, int]:
    """Mostly none; else a minimum, and perhaps seconds after which nobody is waited for."""
    if rng.random() < 0.7:
        return {}
    return {"minimum": 1, "soft_deadline": rng.choice((0, 1, 2))}
