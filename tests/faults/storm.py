"""Random faults one upon another, on a product that a supervisor looks after."""

import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import redis

from tests.faults.inflict import SHUTDOWN_SECONDS
from tests.faults.messages import TASKS, Thief, double, late, lose
from tests.faults.place import LEASE_SECONDS, Place
from tests.faults.points import Point

PAUSES = (1.5, 6.0)
"""Seconds between two faults."""
LOADED = 3.0
"""Seconds more that a worker may take to end while the machine is busy and servers are away."""

Later = Callable[[], object]


class Storm:
    """Call :meth:`tick` several times a second: it revives, does what is due, and inflicts the next fault."""

    def __init__(self, place: Place, seed: int, *, say: Callable[[str], None]) -> None:
        self.faults: Counter[str] = Counter()
        self.history: list[tuple[float, str]] = []
        """When which fault was inflicted; by the clock of the wall, as the journal has it."""
        self.slow_ends: list[str] = []
        """Workers that took too long to end when they were asked to."""
        self.revived = 0
        self.place, self.product = place, place.product
        self.rng = random.Random(seed)
        self._say = say
        self._due: list[tuple[float, Later]] = []
        self._next = time.monotonic() + 3
        self._leaving: dict[str, float] = {}
        self._frozen: set[subprocess.Popen[bytes]] = set()
        self._kinds: list[Callable[[Storm], str]] = [kind for kind, only in KINDS if only in ("", place.database)]

    def tick(self, *, calm: bool = False) -> None:
        """One moment; in a ``calm`` one nothing new is inflicted."""
        self._mind_leaving()
        self.do_what_is_due()
        for label in self.product.revive():
            self._leaving.pop(label, None)
            self.revived += 1
        if not calm and time.monotonic() > self._next:
            self._inflict(self.rng.choice(self._kinds))
            self._next = time.monotonic() + self.rng.uniform(*PAUSES)

    def clear_up(self) -> None:
        """The storm is over: everything that was taken away comes back."""
        due, self._due = self._due, []
        for _, action in due:
            action()
        self.place.points.clear()

    def later(self, seconds: float, action: Later) -> None:
        """Do something when its time has come."""
        self._due.append((time.monotonic() + seconds, action))

    def processes(self, word: str) -> list[str]:
        """The labels of the processes of one kind that run now."""
        return [label for label, process in self.product.processes.items() if word in label and process.poll() is None]

    def some(self, word: str) -> list[str]:
        """One of them by chance, if there is any."""
        running = self.processes(word)
        return [self.rng.choice(running)] if running else []

    def signal(self, label: str, what: signal.Signals) -> None:
        """Send a signal to a process."""
        self.product.processes[label].send_signal(what)

    def freeze(self, label: str, seconds: float) -> None:
        """This process stands still for a while."""
        process = self.product.processes[label]

        def thaw() -> None:
            process.send_signal(signal.SIGCONT)
            self._frozen.discard(process)
            if label in self._leaving:  # it hears only now that it is to end
                self.expect_end(label)

        self._frozen.add(process)
        process.send_signal(signal.SIGSTOP)
        self.later(seconds, thaw)

    def expect_end(self, label: str) -> None:
        """This process was asked to end."""
        self._leaving[label] = time.monotonic()

    def _inflict(self, kind: "Callable[[Storm], str]") -> None:
        told = kind(self)
        name, _, more = told.partition(": ")
        self.faults[name] += 1
        self.history.append((time.time(), told))
        self._say(f"{name}{more and f' ({more})'}")

    def do_what_is_due(self) -> None:
        """What was put off until now."""
        now = time.monotonic()
        due = [entry for entry in self._due if entry[0] <= now]
        for entry in due:
            self._due.remove(entry)
            entry[1]()

    def _mind_leaving(self) -> None:
        late = time.monotonic() - SHUTDOWN_SECONDS - LOADED
        for label in [label for label, since in self._leaving.items() if since < late]:
            process = self.product.processes[label]
            if process.poll() is None and process not in self._frozen:
                self.slow_ends.append(f"{label} after {[fault for _, fault in self.history[-4:]]}")
                self.signal(label, signal.SIGKILL)
                del self._leaving[label]


KINDS: list[tuple[Callable[[Storm], str], str]] = []
"""The faults, and the database that knows them if only one does."""


def fault(database: str = "") -> Callable[[Callable[[Storm], str]], Callable[[Storm], str]]:
    """Register a fault. It returns how tables call it, and perhaps after a colon what exactly it hit."""

    def register(kind: Callable[[Storm], str]) -> Callable[[Storm], str]:
        KINDS.append((kind, database))
        return kind

    return register


@fault()
def kill_something(storm: Storm) -> str:
    kind = storm.rng.choice(("worker", "worker", "web", "sweeper"))
    for label in storm.some(kind) if storm.rng.random() < 0.7 else storm.processes(kind):
        storm.signal(label, signal.SIGKILL)
    return f"kill -9 {kind}"


@fault()
def kill_at_a_point(storm: Storm) -> str:
    """Whoever comes to a point first is killed there."""
    point = storm.rng.choice(list(Point))
    storm.place.points.clear()
    storm.place.points.arm(point, "#")
    end = time.monotonic() + 10

    def kill() -> None:
        pid = storm.place.points.reached(point)
        for process in storm.product.processes.values():
            if process.pid == pid:
                process.kill()
        if not pid and time.monotonic() < end:
            storm.later(0, kill)
        else:
            storm.place.points.clear()

    storm.later(0, kill)
    return f"kill -9 at a point: {point}"


@fault()
def terminate_worker(storm: Storm) -> str:
    for label in storm.some("worker"):
        storm.signal(label, signal.SIGTERM)
        storm.expect_end(label)
    return "SIGTERM worker"


@fault()
def suspend_something(storm: Storm) -> str:
    kind = storm.rng.choice(("worker", "worker", "web", "sweeper", "broker"))
    for label in storm.some(kind):
        storm.freeze(label, storm.rng.uniform(0.5, 2 * LEASE_SECONDS))
    return f"SIGSTOP {kind}"


@fault()
def kill_broker(storm: Storm) -> str:
    if not storm.processes("broker"):
        return "broker killed: it was away already"
    appendonly = storm.rng.random() < 0.5
    if appendonly:
        with suppress(redis.RedisError), storm.place.broker() as broker:  # it may be frozen
            broker.config_set("appendonly", "yes")
    storm.product.kill("broker")
    storm.later(storm.rng.uniform(0.1, 3), lambda: storm.product.start_broker(appendonly=appendonly))
    return f"broker killed, {'with' if appendonly else 'without'} an append-only file"


@fault()
def hurt_broker(storm: Storm) -> str:
    command = storm.rng.choice(("FLUSHALL", "CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal"))
    with suppress(redis.RedisError), storm.place.broker() as broker:  # it may be away, or kill us too
        broker.execute_command(*command.split())
    return command


@fault()
def meddle_with_messages(storm: Storm) -> str:
    treatment = storm.rng.choice((lose, double, late))

    def steal() -> None:
        with suppress(redis.RedisError), Thief(storm.place, treatment, *TASKS):  # the broker may be away
            time.sleep(2)

    threading.Thread(target=steal, daemon=True).start()
    return f"messages: {treatment.__name__}"


@fault("postgresql")
def restart_database(storm: Storm) -> str:
    assert storm.place.server is not None
    storm.place.server.restart()
    return "PostgreSQL restart -m immediate"


@fault("sqlite")
def lock_database(storm: Storm) -> str:
    stack = ExitStack()
    database = stack.enter_context(storm.product.database())
    database.execute("PRAGMA busy_timeout = 0")
    while not _locked(database):  # in SQLite's own sleeps one comes last among busy processes
        storm.do_what_is_due()  # who has the lock may be frozen, or it is this fault itself
        time.sleep(0.001)
    storm.later(storm.rng.uniform(0.5, LEASE_SECONDS), stack.close)
    return "SQLite locked by another writer"


def _locked(database: Any) -> bool:
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    return True
