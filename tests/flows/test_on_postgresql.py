"""The same product over PostgreSQL, with a pool of connections smaller than the streams in flight, and two of each
process behind a proxy that hands every connection to the next one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx2
import pytest

from tests.flows.conftest import Wire, a_product, environment
from tests.product import Person, Product, wait_for
from tests.viewer import OVER, Viewer, watching


@pytest.fixture(scope="module")
def product(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("on-postgresql")
    with a_product(folder, copies=2, **environment(wire, folder), DATABASE_POOL="3") as product:
        yield product


@pytest.fixture(scope="module")
def ada(product: Product) -> Person:
    return product.person("ada")


def over(viewer: Viewer) -> bool:
    return any(frame["type"] in OVER for _when, frame in viewer.frames)


async def test_whichever_processes_serve_them_all_see_what_the_database_holds(product: Product, ada: Person) -> None:
    runs = [ada.ask("What is a fugue?", "openai:ok-60x20ms", "anthropic:ok-20x10ms", "wire:ok") for _ in range(4)]
    async with AsyncExitStack() as stack:
        watched = [await stack.enter_async_context(watching(product, ada, run["thread"])) for run in runs for _ in "ab"]
        await asyncio.gather(*(viewer.watch(over) for viewer in watched))
    for run, first, second in zip(runs, watched[::2], watched[1::2], strict=True):
        ended = ada.run(run["id"])
        assert (ended["status"], ended["outcome"]) == ("completed", "full")
        assert {each["id"]: each["text"] for each in ended["generations"]} == first.texts == second.texts


def test_a_pool_smaller_than_the_streams_in_flight_holds_nobody_up(product: Product, ada: Person) -> None:
    runs = [ada.ask("Go.", *["wire:ok-60x20ms"] * 4) for _ in range(5)]
    ended = [ada.ended(run["id"], 30) for run in runs]
    assert [run["outcome"] for run in ended] == ["full"] * 5
    seconds = [generation["seconds"] for run in ended for generation in run["generations"]]
    assert max(seconds) < 6, "a stream of 1.2 s waited for a connection"


def test_what_one_worker_had_when_it_was_killed_another_brings_home(product: Product, ada: Person) -> None:
    runs = [ada.ask("Go.", "wire:ok-100x50ms", "wire:ok") for _ in range(6)]
    for run in runs:
        wait_for(lambda run=run: ada.run(run["id"])["generations"][0]["text"], what="text")
    product.kill("worker")
    ended = [ada.ended(run["id"], 60) for run in runs]
    product.start_program("worker")
    assert {run["status"] for run in ended} == {"completed"}
    assert {run["generations"][0]["attempt"] for run in ended} <= {1, 2}


def test_with_one_web_process_gone_the_other_one_serves(product: Product, ada: Person) -> None:
    product.kill("web-2")
    # A connection that was kept open to it breaks, as behind any proxy; every new one finds somebody.
    with httpx2.Client(base_url=product.url, headers=ada.api.headers, timeout=20) as api:
        again = replace(ada, api=api)
        for _ in range(4):
            assert again.ended(again.ask("Go.", "wire:ok")["id"])["status"] == "completed"
    product.start_program("web", "web-2")
