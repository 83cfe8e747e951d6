"""The websocket at a real server: who may open it, and what closes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.product import Person, Product


@pytest.fixture(scope="module")
def eve(product: Product) -> Person:
    return product.person("eve")


@asynccontextmanager
async def open_socket(
    product: Product, thread: str, person: Person | None, origin: str = ""
) -> AsyncIterator[ClientConnection]:
    headers = {"Cookie": f"{product.cookie('sessionid')}={person.session}"} if person else {}
    address = f"{product.url.replace('http', 'ws', 1)}/ws/threads/{thread}/"
    async with connect(address, additional_headers=headers, origin=origin or product.url) as socket:  # type: ignore[arg-type]
        yield socket


async def closing(socket: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionClosed) as closed:
            await _read_on(socket)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def _read_on(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


def new_thread(person: Person) -> str:
    return str(person.api.post("/api/threads/", json={}).json()["id"])


async def test_a_foreign_thread_is_refused_like_an_unknown_one(product: Product, ada: Person, eve: Person) -> None:
    endings = []
    for thread in (new_thread(ada), str(uuid4())):
        async with open_socket(product, thread, eve) as socket:
            endings.append(await closing(socket))
    assert endings == [(4404, "There is no such thread. Open another one.")] * 2


async def test_a_stranger_is_asked_to_sign_in(product: Product, ada: Person) -> None:
    async with open_socket(product, new_thread(ada), None) as socket:
        assert (await closing(socket))[0] == 4401


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
async def test_another_sites_page_is_refused(product: Product, ada: Person, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(product, new_thread(ada), ada, origin):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("frame", "code"),
    [(b"\x00\x01", 1003), ("{", 1007), ("[" * 9000, 1007), ('{"type": "run"}', 1008), ("x" * 70_000, 1009)],
)
async def test_a_frame_that_is_no_request_closes_the_socket(
    product: Product, ada: Person, frame: bytes | str, code: int
) -> None:
    async with open_socket(product, new_thread(ada), ada) as socket:
        await socket.recv()
        await socket.send(frame)
        assert (await closing(socket))[0] == code


async def test_deleting_a_thread_closes_its_sockets(product: Product, ada: Person) -> None:
    thread = new_thread(ada)
    async with open_socket(product, thread, ada) as socket:
        await socket.recv()
        assert (await asyncio.to_thread(ada.api.delete, f"/api/threads/{thread}/")).status_code == 204
        assert await closing(socket) == (4404, "This thread was deleted. Open another one.")


async def test_deleting_a_thread_in_mid_run_ends_its_streams(product: Product, ada: Person) -> None:
    run = ada.ask("Go.", "wire:ok-100x50ms")
    await asyncio.sleep(1)
    assert (await asyncio.to_thread(ada.api.delete, f"/api/threads/{run['thread']}/")).status_code == 204
    assert ada.api.get(f"/api/runs/{run['id']}/").status_code == 404
    await asyncio.sleep(2)
    assert "Traceback" not in product.log("worker")
