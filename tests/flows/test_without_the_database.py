"""The database is away: everybody hears so within seconds, nothing is half done, and all of it comes back by itself."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from tests.flows.conftest import Wire, environment
from tests.product import Person, Product, wait_for
from tests.servers import PostgreSQL
from tests.viewer import Viewer, watching

SENTENCE = "The database does not answer. Try again in a few seconds."
A_FEW_SECONDS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    # A socket's path must be short, and the server runs as another user when the tests run as root.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pg-") as place:
        Path(place).chmod(0o755)
        with PostgreSQL(Path(place) / "server") as server:
            yield server


@pytest.fixture(scope="module")
def on_postgresql(server: PostgreSQL, wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("databaseless")
    product = Product(folder, **environment(wire, folder), DATABASE_URL=server.address)
    try:
        product.start()
        yield product
    finally:
        product.stop()


@pytest.fixture(scope="module")
def ada(on_postgresql: Product) -> Person:
    return on_postgresql.person("ada")


def refusal(ask: Callable[[], httpx2.Response]) -> httpx2.Response:
    """An answer that came within a few seconds and says when to come back."""
    begun = time.monotonic()
    answer = ask()
    assert time.monotonic() - begun < A_FEW_SECONDS
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5"), answer.text
    return answer


def post(person: Person, thread: str) -> httpx2.Response:
    return person.api.post(f"/api/threads/{thread}/runs/", json={"prompt": "Go.", "master": "wire:ok"})


def assert_all_are_told(person: Person, page: httpx2.Client, thread: str) -> None:
    """The API, the page's script and a form without it, at the same time."""
    form, fetch = {"prompt": "Go.", "master": "wire:ok"}, {"X-Requested-With": "fetch"}
    ways: list[Callable[[], httpx2.Response]] = [
        lambda: post(person, thread),
        lambda: page.post(f"/threads/{thread}/runs/", data=form, headers=fetch),
        lambda: page.post(f"/threads/{thread}/runs/", data=form),
    ]
    with ThreadPoolExecutor(len(ways)) as people:
        told, fetched, shown = people.map(refusal, ways)
    assert told.json() == {"error": {"code": "unavailable", "message": SENTENCE}}
    assert (fetched.headers["Content-Type"], fetched.text) == ("text/plain; charset=utf-8", SENTENCE)
    assert "Back in a moment" in shown.text


async def test_a_stopped_server_is_a_503_for_all_and_a_run_goes_on_when_it_is_back(
    server: PostgreSQL, on_postgresql: Product, ada: Person
) -> None:
    thread, run = ada.thread(), ada.ask("Go.", "wire:ok-60x20ms", "wire:ok")
    wait_for(lambda: ada.run(run["id"])["generations"][0]["text"], what="text")
    with on_postgresql.browser(ada) as page:
        async with watching(on_postgresql, ada, run["thread"]) as viewer:
            await viewer.take()
            server.stop()
            assert_all_are_told(ada, page, thread)
            refusal(lambda: page.get(f"/threads/{thread}/"))
            assert page.get("/readyz").json()["database"] == "does not answer"
            assert page.get("/healthz").status_code == 200
            await viewer.socket.send('{"type": "snapshot"}')
            assert (await closing(viewer))[0] == 1013
        await asyncio.gather(*(assert_refused(on_postgresql, ada, thread) for _ in range(20)))
    server.start()
    wait_for(lambda: ada.api.get("/api/threads/").status_code == 200, 20, what="the web process")
    assert ada.ended(run["id"], 60)["status"] == "completed"
    assert ada.api.get(f"/api/threads/{thread}/runs/").json()["count"] == 0, "a run was refused and stored"
    await comes_back(on_postgresql, ada, thread)
    assert "Traceback" not in on_postgresql.log("web")


async def comes_back(product: Product, person: Person, thread: str) -> None:
    """As a page does: for up to 2 s more, sockets are still told that nobody waits for the database."""
    async with asyncio.timeout(10):
        while True:
            with suppress(ConnectionClosed):
                async with watching(product, person, thread) as viewer:
                    assert (await viewer.take())["type"] == "snapshot"
                    return
            await asyncio.sleep(0.5)


async def closing(viewer: Viewer) -> tuple[int, str]:
    async with asyncio.timeout(A_FEW_SECONDS):
        with pytest.raises(ConnectionClosed) as closed:
            await viewer.watch(lambda _: False)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def assert_refused(on_postgresql: Product, person: Person, thread: str) -> None:
    async with watching(on_postgresql, person, thread) as viewer:
        reason = "The database does not answer at the moment. Connect again in a few seconds."
        assert await closing(viewer) == (1013, reason)


def test_what_starts_before_its_database_works_once_it_is_there(
    server: PostgreSQL, on_postgresql: Product, ada: Person
) -> None:
    server.stop()
    for name in ("web", "worker"):
        on_postgresql.kill(name)
        on_postgresql.start_program(name)
    time.sleep(3)
    server.start()

    def over() -> bool:
        on_postgresql.revive()
        try:
            return post(ada, ada.thread()).status_code == 202
        except httpx2.HTTPError:
            return False

    wait_for(over, 30, what="the web process to take a run")
    assert ada.ended(ada.ask("Go.", "wire:ok")["id"], 40)["status"] == "completed"
