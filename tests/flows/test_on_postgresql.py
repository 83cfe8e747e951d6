"""The same product over PostgreSQL, with a pool of connections smaller than the streams in flight."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import Wire, environment
from tests.product import Person, Product, wait_for
from tests.servers import postgresql
from tests.viewer import OVER, watching


@pytest.fixture(scope="module")
def product(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("on-postgresql")
    # A socket's path must be short, and the server runs as another user when the tests run as root.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pg-") as place:
        Path(place).chmod(0o755)
        with postgresql(Path(place) / "server") as address:
            product = Product(folder, **environment(wire, folder), DATABASE_URL=address, DATABASE_POOL="3")
            try:
                product.start()
                yield product
            finally:
                product.stop()


@pytest.fixture(scope="module")
def ada(product: Product) -> Person:
    return product.person("ada")


async def test_a_whole_run_ends_with_what_the_database_holds(product: Product, ada: Person) -> None:
    run = ada.ask("What is a fugue?", "openai:ok-60x20ms", "anthropic:ok-20x10ms", "wire:ok")
    async with watching(product, ada, run["thread"]) as viewer:
        await viewer.watch(lambda viewer: viewer.frames[-1][1]["type"] in OVER if viewer.frames else False)
    ended = ada.run(run["id"])
    assert (ended["status"], ended["outcome"]) == ("completed", "full")
    assert {generation["id"]: generation["text"] for generation in ended["generations"]} == viewer.texts


def test_a_pool_smaller_than_the_streams_in_flight_holds_nobody_up(product: Product, ada: Person) -> None:
    runs = [ada.ask("Go.", *["wire:ok-60x20ms"] * 4) for _ in range(5)]
    ended = [ada.ended(run["id"], 30) for run in runs]
    assert [run["outcome"] for run in ended] == ["full"] * 5
    seconds = [generation["seconds"] for run in ended for generation in run["generations"]]
    assert max(seconds) < 6, "a stream of 1.2 s waited for a connection"


def test_a_killed_worker_loses_nothing(product: Product, ada: Person) -> None:
    run = ada.ask("Go.", "wire:ok-100x50ms", "wire:ok")
    wait_for(lambda: ada.run(run["id"])["generations"][0]["text"], what="text")
    product.kill("worker")
    product.start_program("worker")
    ended = ada.ended(run["id"], 60)
    assert (ended["status"], ended["generations"][0]["attempt"]) == ("completed", 2)
