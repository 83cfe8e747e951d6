"""The faults. Each is done to a scene whose runs are held at their points, and brings back what it took away, as the
supervisor, the administrator or the network would."""

import signal
import time
from collections.abc import Callable

from tests.faults.place import LEASE_SECONDS
from tests.faults.scene import Scene

OUTAGE = 1.0
"""Seconds that a server is away."""
SHUTDOWN_SECONDS = 5.0

Fault = Callable[[Scene], None]
FAULTS: dict[str, Fault] = {}
DATABASE: dict[str, str] = {}
"""Faults that only one database knows."""


def fault(name: str, database: str = "") -> Callable[[Fault], Fault]:
    """Register a fault by the name that tests and tables show."""

    def register(inflict: Fault) -> Fault:
        FAULTS[name] = inflict
        if database:
            DATABASE[name] = database
        return inflict

    return register


@fault("kill -9 worker")
def kill_worker(scene: Scene) -> None:
    for label in _workers(scene):
        _replace(scene, label)


@fault("kill -9 web")
def kill_web(scene: Scene) -> None:
    _replace(scene, "web")


@fault("kill -9 sweeper and worker")
def kill_sweeper(scene: Scene) -> None:
    _replace(scene, "sweeper")
    kill_worker(scene)


@fault("SIGTERM worker")
def terminate_worker(scene: Scene) -> None:
    """A deploy: the old worker gives back what it has and is gone, the new one takes it up."""
    for label in _workers(scene):
        begun = time.monotonic()
        process = scene.product.processes[label]
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        scene.release()
        process.wait(SHUTDOWN_SECONDS)
        assert time.monotonic() - begun < SHUTDOWN_SECONDS, "it took too long to end"
        scene.product.start_program("worker", label)


@fault("SIGSTOP worker for two leases")
def suspend_worker(scene: Scene) -> None:
    """The old owner wakes up when somebody else has long ended its work; nothing that it writes may count."""
    held = _workers(scene)
    for label in held:
        scene.product.processes[label].send_signal(signal.SIGSTOP)
    scene.product.start_program("worker", "spare worker")
    time.sleep(2 * LEASE_SECONDS)
    for label in held:
        scene.product.processes[label].send_signal(signal.SIGCONT)
    scene.release()
    scene.wait_until_idle()  # else the judge would be there before it has tried to write


@fault("broker killed, it forgets everything")
def forgetful_broker(scene: Scene) -> None:
    _restart_broker(scene, appendonly=False)


@fault("broker killed, with an append-only file")
def remembering_broker(scene: Scene) -> None:
    with scene.place.broker() as broker:
        broker.config_set("appendonly", "yes")
    _restart_broker(scene, appendonly=True)


@fault("broker frozen for two leases")
def suspend_broker(scene: Scene) -> None:
    """It takes connections and answers nothing, which no socket reports."""
    scene.release()
    with scene.product.frozen("broker"):
        time.sleep(2 * LEASE_SECONDS)


@fault("FLUSHALL")
def flush(scene: Scene) -> None:
    _broker(scene, "FLUSHALL")


@fault("CLIENT KILL TYPE pubsub")
def kill_subscriptions(scene: Scene) -> None:
    scene.release()
    time.sleep(0.1)
    _broker(scene, "CLIENT", "KILL", "TYPE", "pubsub")


@fault("CLIENT KILL TYPE normal")
def kill_connections(scene: Scene) -> None:
    _broker(scene, "CLIENT", "KILL", "TYPE", "normal")


@fault("PostgreSQL restart -m immediate", "postgresql")
def restart_database(scene: Scene) -> None:
    assert scene.place.server is not None
    scene.place.server.restart()


@fault("SQLite locked by another writer", "sqlite")
def lock_database(scene: Scene) -> None:
    with scene.product.database() as database:
        database.execute("BEGIN IMMEDIATE")
        scene.release()
        time.sleep(LEASE_SECONDS)


def _workers(scene: Scene) -> list[str]:
    """The workers that are held, or else any one."""
    labels = [label for label in scene.product.processes if "worker" in label]
    return [label for label in scene.holders() if label in labels] or labels[:1]


def _replace(scene: Scene, label: str) -> None:
    """Kill it, and start another one as the supervisor does."""
    scene.product.kill(label)
    scene.product.start_program(label.rpartition(" ")[2], label)


def _restart_broker(scene: Scene, *, appendonly: bool) -> None:
    scene.product.kill("broker")
    scene.release()
    time.sleep(OUTAGE)
    scene.product.start_broker(appendonly=appendonly)


def _broker(scene: Scene, *command: str) -> None:
    with scene.place.broker() as broker:
        broker.execute_command(*command)
