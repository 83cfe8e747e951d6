"""Redis is away or frozen: prompts are taken, nobody waits, sockets say how it is, and all of it heals by itself."""

import asyncio
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import httpx2
import pytest

from tests.flows.conftest import Wire, a_product, environment
from tests.product import Person, Product, wait_for
from tests.viewer import Viewer, watching

REFUSED, FROZEN = 1.5, 3.0
"""Seconds within which a run is taken."""
MASTER, SECONDARY, SLOW = "wire:ok", "wire:ok@b", "wire:ok-100x50ms"


@pytest.fixture(scope="module")
def product(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A copy of its own, whose broker may be killed."""
    folder = tmp_path_factory.mktemp("brokerless")
    with a_product(folder, **environment(wire, folder)) as product, supervised(product):
        yield product


@contextmanager
def supervised(product: Product) -> Iterator[None]:
    """A Celery worker may end by itself when its broker restarts; it is started again, as ``make run`` does."""
    over = threading.Event()

    def look_after() -> None:
        while not over.wait(0.5):
            product.revive()

    keeper = threading.Thread(target=look_after)
    keeper.start()
    yield
    over.set()
    keeper.join()


@pytest.fixture(scope="module")
def ada(product: Product) -> Person:
    return product.person("ada")


@contextmanager
def killed(product: Product) -> Iterator[None]:
    product.kill("broker")
    try:
        yield
    finally:
        product.start_broker()
        product.wait_for_a_worker()


@contextmanager
def frozen(product: Product) -> Iterator[None]:
    with product.frozen("broker"):
        yield


Away = Callable[[Product], AbstractContextManager[None]]
ways = pytest.mark.parametrize(("away", "bound"), [(killed, REFUSED), (frozen, FROZEN)])


def timed(ask: Callable[[], httpx2.Response], status: int) -> float:
    """How long an answer takes."""
    begun = time.monotonic()
    answer = ask()
    seconds = time.monotonic() - begun
    assert answer.status_code == status, answer.text
    return seconds


def post(person: Person, thread: str) -> httpx2.Response:
    body = {"prompt": "Go.", "master": MASTER, "secondaries": [SECONDARY]}
    return person.api.post(f"/api/threads/{thread}/runs/", json=body)


@ways
def test_a_prompt_is_taken_soon_by_the_api_and_by_the_page_and_answered_when_the_broker_is_back(
    product: Product, ada: Person, away: Away, bound: float
) -> None:
    by_api, by_page = ada.thread(), ada.thread()
    form = {"prompt": "Go.", "master": MASTER, "secondary": [SECONDARY], "idempotency_key": by_page}
    fetch = {"X-Requested-With": "fetch"}
    with product.browser(ada) as page, away(product):
        seconds = [
            timed(lambda: post(ada, by_api), 202),
            timed(lambda: page.post(f"/threads/{by_page}/runs/", data=form, headers=fetch), 202),
        ]
    assert max(seconds) < bound, seconds
    for thread in (by_api, by_page):
        assert ada.ended(the_run(ada, thread), 60)["status"] == "completed"


def test_twenty_prompts_at_once_do_not_wait_for_each_other_at_a_frozen_broker(product: Product, ada: Person) -> None:
    usual, late = ([ada.thread() for _ in range(20)] for _ in range(2))
    # Twenty prompts are work for a machine that has other work; only what the broker adds to that is bounded.
    work = together(ada, usual)
    with frozen(product):
        assert together(ada, late) < FROZEN + work
    for thread in usual + late:
        ada.api.post(f"/api/runs/{the_run(ada, thread)}/stop/").raise_for_status()


def the_run(person: Person, thread: str) -> str:
    [run] = person.api.get(f"/api/threads/{thread}/runs/").json()["results"]
    return str(run["id"])


def together(person: Person, threads: list[str]) -> float:
    """How long the slowest of many prompts takes that are sent at the same time."""
    with ThreadPoolExecutor(len(threads)) as people:
        return max(people.map(lambda thread: timed(lambda: post(person, thread), 202), threads))


@ways
def test_whatever_else_is_asked_is_answered_soon(product: Product, ada: Person, away: Away, bound: float) -> None:
    run = ada.ask("Go.", SLOW, SECONDARY)
    wait_for(lambda: ada.run(run["id"])["status"] == "answering", what="the run to begin")
    with product.browser(ada) as page, away(product):
        seconds = [
            timed(lambda: page.get(f"/threads/{run['thread']}/"), 200),
            timed(lambda: ada.api.get(f"/api/runs/{run['id']}/"), 200),
            timed(lambda: page.get("/readyz"), 503),
            timed(lambda: page.get("/healthz"), 200),
            timed(lambda: ada.api.post(f"/api/runs/{run['id']}/stop/"), 202),
            timed(lambda: ada.api.delete(f"/api/threads/{ada.thread()}/"), 204),
        ]
        assert max(seconds) < bound, seconds
        assert ada.ended(run["id"], 10)["status"] == "cancelled", "a stop needs no broker"


@ways
def test_a_model_is_stopped_upstream_within_two_seconds_of_the_answer(
    product: Product, ada: Person, wire: Wire, away: Away, bound: float
) -> None:
    run = ada.ask("Go.", SLOW)
    generation = run["generations"][0]["id"]
    wait_for(lambda: ada.run(run["id"])["generations"][0]["text"], what="text")
    with away(product):
        assert timed(lambda: ada.api.post(f"/api/generations/{generation}/stop/"), 202) < bound
        wait_for(lambda: wire.requests("ok-100x50ms")[-1]["disconnected"], 2, what="the closed stream")
        ended = ada.ended(run["id"], 10)
        assert ended["status"] == "cancelled"
        assert ended["generations"][0]["text"], "what has come is kept"


async def test_a_socket_that_opens_at_a_frozen_broker_shows_the_database_and_is_live_after_the_thaw(
    product: Product, ada: Person
) -> None:
    thread = ada.thread()
    with frozen(product):
        begun = time.monotonic()
        answer = await asyncio.to_thread(post, ada, thread)
        async with watching(product, ada, thread) as viewer:
            first, second = await viewer.take(), await viewer.take()
            assert time.monotonic() - begun < 2 * FROZEN
            assert (first["type"], second) == ("snapshot", {"type": "thread.live", "live": False})
            assert viewer.runs == {answer.json()["id"]: "queued"}
            product.processes["broker"].send_signal(signal.SIGCONT)
            await viewer.watch(lambda viewer: viewer.runs[answer.json()["id"]] == "completed", 40)
    assert {"type": "thread.live", "live": True} in [frame for _, frame in viewer.frames]
    assert_same(viewer, ada.run(answer.json()["id"]))


async def test_a_socket_in_mid_run_that_hears_nothing_for_a_while_ends_with_what_the_database_holds(
    product: Product, ada: Person
) -> None:
    run = await asyncio.to_thread(ada.ask, "Go.", "wire:ok-60x20ms", "openai:ok-100x50ms")

    async def freeze() -> None:
        with frozen(product):
            await asyncio.sleep(7)

    async with watching(product, ada, run["thread"]) as viewer:
        await viewer.watch(lambda viewer: len([1 for _, frame in viewer.frames if "offset" in frame]) > 5)
        await asyncio.gather(freeze(), viewer.watch(lambda viewer: viewer.runs.get(run["id"]) == "completed", 60))
    lives = [frame["live"] for _, frame in viewer.frames if frame["type"] == "thread.live"]
    assert lives == [False, True]
    assert_same(viewer, ada.run(run["id"]))


def assert_same(viewer: Viewer, run: dict) -> None:
    assert run["status"] == "completed", run["error"]
    assert {generation["id"]: generation["text"] for generation in run["generations"]} == viewer.texts
    assert viewer.finals[run["prompt"]] == run["generations"][-1]["text"]


def test_the_logs_have_a_line_for_each_change_and_none_for_each_flush(product: Product) -> None:
    """After all that the tests above did to the broker."""
    for process in ("web", "worker"):
        ours = re.findall(r"^WARNING (?:threads|workers)\.\w+: .*", product.log(process), re.MULTILINE)
        assert any("does not answer" in line for line in ours), process
        assert any("answers again" in line for line in ours), process
        assert len(ours) < 60, ours
    assert "Traceback" not in product.log("web")
