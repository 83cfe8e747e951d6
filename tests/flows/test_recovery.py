"""Processes die in mid-run; the rows decide, the sweeper finds what stands still, and the run ends whole."""

import re
import signal
import time
from contextlib import ExitStack

import pytest

from tests.flows.conftest import Wire, a_product, environment
from tests.product import Person, Product, wait_for


@pytest.fixture(scope="module")
def fragile(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A copy of its own, whose processes may be killed."""
    folder = tmp_path_factory.mktemp("fragile")
    with a_product(folder, **environment(wire, folder)) as product:
        yield product


@pytest.fixture(scope="module")
def bob(fragile: Product) -> Person:
    return fragile.person("bob")


def streaming(person: Person, run_id: str) -> bool:
    return any(g["status"] == "streaming" and g["text"] for g in person.run(run_id)["generations"])


def end_workers(product: Product, how: signal.Signals = signal.SIGKILL) -> float:
    """Returns the longest that one of them took."""
    took = []
    for label in product.labels("worker"):
        begun = time.monotonic()
        product.kill(label, how)
        took.append(time.monotonic() - begun)
    return max(took)


def assert_whole(run: dict, attempt: int | None = None) -> None:
    assert run["status"] == "completed", run["error"]
    for generation in run["generations"]:
        assert generation["status"] == "completed"
        attempts = set(re.findall(r"\[(\d+):", generation["text"]))
        assert len(attempts) == 1, "a text mixes two attempts"


def completed_with_revivals(product: Product, person: Person, run_id: str) -> None:
    """A worker may end by itself at any time after its broker restarted; the supervisor then starts it again."""

    def over() -> bool:
        product.revive()
        return person.run(run_id)["status"] == "completed"

    wait_for(over, 60, what="the run to be completed")


def test_a_killed_worker_loses_nothing(fragile: Product, bob: Person) -> None:
    run = bob.ask("Go.", "wire:count-20x10ms", "wire:ok-100x50ms")
    wait_for(lambda: streaming(bob, run["id"]), what="text")
    end_workers(fragile)
    fragile.start_program("worker")
    ended = bob.ended(run["id"], 60)
    assert ended["status"] == "completed"
    assert ended["generations"][1]["attempt"] >= 2
    assert len(fragile.rows("SELECT id FROM threads_message WHERE kind = 'final'")) == 1


def test_a_run_can_be_ended_while_its_only_worker_stands_still(fragile: Product, bob: Person) -> None:
    run = bob.ask("Go.", "wire:ok-100x50ms", "wire:ok-100x50ms")
    wait_for(lambda: streaming(bob, run["id"]), what="text")
    with ExitStack() as stack:
        for label in fragile.labels("worker"):
            stack.enter_context(fragile.frozen(label))
        bob.api.post(f"/api/runs/{run['id']}/stop/").raise_for_status()
        assert bob.ended(run["id"], 20)["status"] == "cancelled", "the web process sweeps too"


def test_a_terminated_worker_gives_its_lease_back_and_is_gone_within_five_seconds(
    fragile: Product, bob: Person
) -> None:
    run = bob.ask("Go.", "wire:ok-100x50ms")
    wait_for(lambda: streaming(bob, run["id"]), what="text")
    assert end_workers(fragile, signal.SIGTERM) < 5
    assert bob.run(run["id"])["generations"][0]["status"] == "queued"
    fragile.start_program("worker")
    ended = bob.ended(run["id"], 60)
    assert (ended["status"], ended["generations"][0]["attempt"]) == ("completed", 2)


@pytest.mark.parametrize("server", ["killed broker", "frozen broker", "locked database"])
def test_a_terminated_worker_is_gone_within_five_seconds_also_without_its_servers(
    fragile: Product, bob: Person, server: str
) -> None:
    if server == "locked database" and not fragile.environment["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("only SQLite locks the whole database")
    run = bob.ask("Go.", "wire:ok-100x50ms", "wire:ok-100x50ms")
    wait_for(lambda: streaming(bob, run["id"]), what="text")
    with ExitStack() as stack:
        if server == "frozen broker":
            stack.enter_context(fragile.frozen("broker"))
        elif server == "locked database":
            stack.enter_context(fragile.database()).execute("BEGIN IMMEDIATE")
        else:
            fragile.kill("broker")
        assert end_workers(fragile, signal.SIGTERM) < 5.5
    if server == "killed broker":
        fragile.start_broker()
    fragile.start_program("worker")
    bob.api.post(f"/api/runs/{run['id']}/stop/").raise_for_status()
    assert bob.ended(run["id"], 60)["status"] in ("cancelled", "completed")


def test_a_run_that_was_asked_while_the_broker_was_away_is_answered_when_it_is_back(
    fragile: Product, bob: Person
) -> None:
    fragile.kill("broker")
    begun = time.monotonic()
    run = bob.ask("Go.", "wire:ok", "wire:ok@b")
    assert time.monotonic() - begun < 1.5 + 0.5  # two requests: a thread and its run
    fragile.start_broker()
    completed_with_revivals(fragile, bob, run["id"])


def test_a_broker_that_forgets_everything_in_mid_run_loses_no_run(fragile: Product, bob: Person) -> None:
    run = bob.ask("Go.", "wire:ok-60x20ms", "wire:ok")
    wait_for(lambda: streaming(bob, run["id"]), what="text")
    fragile.kill("broker")
    fragile.start_broker()
    completed_with_revivals(fragile, bob, run["id"])
