"""One fault, and the runs that live through it: one run for each point, held there until the fault has happened."""

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import httpx2

from tests.faults import promises, rows
from tests.faults.client import Page
from tests.faults.place import Place
from tests.faults.points import InHand, Point
from tests.faults.promises import Broken
from tests.faults.rows import ENDED, Run
from tests.product import Person, wait_for

PATIENCE = 60.0
"""Seconds after a fault within which each run must have ended. A healed product needs a lease, a sweep and the time of
the run; the rest is for a machine that is busy with other things."""
MODELS = ("wire:tell-20x20ms@a", "openai:tell-40x20ms@b", "anthropic:tell-20x20ms@c")


class RunsDidNotEndError(AssertionError):
    """A run is lost."""


class Scene:
    """Some runs, what is done to the product meanwhile, and what must be true afterwards."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.product = place.product
        self.points: list[Point] = []
        self.tokens: dict[str, Point | None] = {}
        self.pages: dict[str, Page] = {}
        self._asking: list[Future[str]] = []
        self._pool = ThreadPoolExecutor(16)

    def ask(self, *models: str, point: Point | None = None) -> str:
        """Start a run that is watched, and that is held at this point; returns its token."""
        person, token = self.place.people[0], secrets.token_hex(4)
        thread = a_thread(person)
        self.pages[token] = self.place.audience.watch(self.product, person, thread)
        self.tokens[token] = point
        if point:
            self.points.append(point)
            self.place.points.arm(point, token)
        self._asking.append(self._pool.submit(insist, person, thread, token, models or MODELS))
        return token

    def hold_at(self, points: Sequence[Point]) -> None:
        """One run for each of these points; returns when each of them is held there."""
        for point in sorted(points, key=list(Point).index, reverse=True):  # the longest way first
            self.ask(point=point)
        for point in points:
            try:
                wait_for(lambda point=point: self.place.points.reached(point), 30, what=f"a process at {point}")
            except AssertionError as trouble:
                raise AssertionError("\n".join([str(trouble), *self._states(self._runs())])) from None

    def holders(self) -> list[str]:
        """The labels of the processes that are held, each once."""
        held = {self.place.points.reached(point) for point in self.points}
        return [label for label, process in self.product.processes.items() if process.pid in held]

    def release(self) -> None:
        """Everybody who is still held goes on."""
        for point in self.points:
            self.place.points.release(point)

    def wait_for_ends(self) -> None:
        """Until each prompt was accepted and each run has ended; what died meanwhile is revived."""
        end = time.monotonic() + PATIENCE
        while not self._is_over():
            if time.monotonic() > end:
                raise RunsDidNotEndError("\n".join(["These runs did not end:", *self._unended()]))
            time.sleep(0.1)

    def wait_until_idle(self) -> None:
        """Until the workers have ended every task that they were given."""
        hand = InHand(self.place.points.folder)
        wait_for(lambda: not hand.of_the_living(), 30, what="the workers to end their tasks")

    def broken_promises(self, page_patience: float = 12.0) -> list[Broken]:
        """Everything that is not as it must be; pages are given a moment to hear of it."""
        runs = self._runs()
        found = promises.broken(runs, self.tokens, self._book())
        found += [Broken("failed", str(run), "nothing was wrong with its models") for run in runs if not _is_well(run)]
        end = time.monotonic() + (0 if found else page_patience)
        while (diverged := self._diverged()) and time.monotonic() < end:
            time.sleep(0.2)
        return found + diverged

    def judge(self) -> None:
        """Fail with every broken promise."""
        found = self.broken_promises()
        assert not found, "\n".join(["Promises were broken:", *map(str, found)])

    def close(self) -> None:
        """Nothing of this scene reaches into the next one."""
        self.release()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.place.audience.leave()
        self.place.points.clear()

    def _is_over(self) -> bool:
        self.product.revive()
        if not all(asking.done() for asking in self._asking):
            return False
        ids = {asking.result().replace("-", "") for asking in self._asking}
        return not ids & rows.active(self.product)

    def _unended(self) -> Iterator[str]:
        found = self._runs()
        yield from self._states(run for run in found if run.status not in ENDED)
        yield from (f"#{token} was never accepted" for token in self.tokens.keys() - {run.token for run in found})

    def _states(self, runs: Iterable[Run]) -> Iterator[str]:
        for run in runs:
            states = [f"{each.kind} {each.model} {each.status} ({each.attempt})" for each in run.generations]
            yield f"{run}, {run.status}, held at {self.tokens[run.token]}: {', '.join(states)}"

    def _runs(self) -> list[Run]:
        return rows.read(self.product, self.tokens, history=True)

    def _book(self) -> list[dict[str, object]]:
        return [call for token in self.tokens for call in self.place.wire.requests(token=token)]

    def _diverged(self) -> list[Broken]:
        return [
            Broken("diverged", f"{run} held at {self.tokens[run.token]}", sentence)
            for run in self._runs()
            for sentence in self.pages[run.token].differences(run)
        ]


def _is_well(run: Run) -> bool:
    """One fault is no reason for a run to end otherwise."""
    return (run.status, run.outcome) == ("completed", "full")


@contextmanager
def a_scene(place: Place) -> Iterator[Scene]:
    """A scene on a whole stage, cleared at the end."""
    place.points.clear()
    make_whole(place)
    scene = Scene(place)
    try:
        yield scene
    finally:
        scene.close()


def make_whole(place: Place) -> None:
    """The web process, one worker and the sweeper are there and answer."""
    for label in [label for label in place.product.processes if label.startswith("spare")]:
        place.product.kill(label)
    if "broker" not in place.product.processes:
        place.product.start_broker()
    for name in ("web", "worker", "sweeper"):
        if name not in place.product.processes:
            place.product.start_program(name)
    place.product.revive()
    place.product.wait_until_ready()


def a_thread(person: Person) -> str:
    """A new thread. A database that an earlier scene restarted may cost somebody a few seconds."""

    def made() -> str:
        answer = person.api.post("/api/threads/", json={})
        assert answer.status_code in (201, 503), answer.text
        return str(answer.json().get("id", ""))

    return wait_for(made, 20, what="a new thread")


def insist(
    person: Person, thread: str, token: str, models: Sequence[str], seconds: float = 2 * PATIENCE, **quorum: int
) -> str:
    """Ask as a careful client does: with a key, and again until it is accepted; returns the run's id."""
    body = {"prompt": f"What is #{token}?", "master": models[0], "secondaries": list(models[1:]), **quorum}
    headers = {"Idempotency-Key": str(uuid4())}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = person.api.post(f"/api/threads/{thread}/runs/", json=body, headers=headers)
        except httpx2.HTTPError:
            time.sleep(0.2)
            continue
        if answer.status_code == 202:
            return str(answer.json()["id"])
        assert answer.status_code >= 500 or answer.status_code == 429, answer.text
        time.sleep(0.2)
    raise AssertionError(f"#{token} was not accepted")
