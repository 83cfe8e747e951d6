"""A client that does not read costs the server little, holds nobody up, and ends with the right text or is let go."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import redis.asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.product import Person, Product
from tests.viewer import Viewer, watching
from threads.channel import ThreadLayer, group_name

PADDING = json.dumps({"type": "padding", "text": "x" * 40_000})
"""A word that no client knows, and large: the kernel's buffers must be full before a server can feel anything."""


@asynccontextmanager
async def watching_slowly(product: Product, person: Person, thread: str) -> AsyncIterator[Viewer]:
    """A viewer with small buffers, which reads from the network only what it takes."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.connect(("127.0.0.1", product.port))
    headers = {"Cookie": f"{product.cookie('sessionid')}={person.session}"}
    address = f"ws://127.0.0.1:{product.port}/ws/threads/{thread}/"
    async with connect(
        address,
        sock=wire,
        additional_headers=headers,
        origin=product.url,  # type: ignore[arg-type]
        max_size=None,
        max_queue=1,
        ping_interval=None,
    ) as client:
        yield Viewer(client)


async def flood(product: Product, thread: str, frames: int, seconds: float) -> None:
    """Say much in a thread, as a worker would."""
    name, message = ThreadLayer([]).wire(group_name(thread), {"type": "thread.event", "text": PADDING})
    async with redis.asyncio.Redis(unix_socket_path=str(product.socket)) as broker:
        for _ in range(frames):
            await broker.publish(name, message)
            await asyncio.sleep(seconds / frames)


def memory(product: Product) -> int:
    """What the web process holds in memory, in bytes."""
    status = Path(f"/proc/{product.processes['web'].pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def of(viewer: Viewer, word: str) -> list[float]:
    return [at for at, frame in viewer.frames if frame["type"] == word]


def longest_pause(moments: list[float]) -> float:
    return max(after - before for before, after in pairwise(moments))


async def test_a_client_that_pauses_ends_with_the_text_of_the_database_and_holds_nobody_up(
    product: Product, ada: Person
) -> None:
    run = await asyncio.to_thread(ada.ask, "Go.", "wire:ok-100x50ms", "openai:ok-100x50ms")
    thread = run["thread"]

    def over(viewer: Viewer) -> bool:
        return viewer.runs.get(run["id"]) in ("completed", "failed")

    async with watching_slowly(product, ada, thread) as slow, watching(product, ada, thread) as healthy:
        await slow.take()
        await healthy.take()  # with the snapshot its thread is heard
        before = memory(product)
        watched = asyncio.create_task(healthy.watch(over))
        await flood(product, thread, 1000, 4)
        grown = memory(product) - before
        await slow.watch(over)
        await watched
    ended = await asyncio.to_thread(ada.run, run["id"])
    texts = {g["id"]: g["text"] for g in ended["generations"]}
    assert ended["status"] == "completed"
    assert (slow.texts, healthy.texts) == (texts, texts)
    assert len(of(healthy, "padding")) == 1000
    assert len(of(slow, "padding")) < 900
    assert len(of(slow, "snapshot")) > 1
    assert longest_pause(of(healthy, "generation.delta")) < 2
    assert grown < 16_000_000  # of 40 MB that were said


async def test_a_client_that_never_reads_is_let_go(product: Product, ada: Person) -> None:
    thread = str((await asyncio.to_thread(ada.api.post, "/api/threads/", json={})).json()["id"])
    async with watching_slowly(product, ada, thread) as slow:
        await slow.take()
        begun = time.monotonic()
        await flood(product, thread, 400, 2)
        await asyncio.sleep(begun + 14 - time.monotonic())
        with pytest.raises(ConnectionClosed) as closed:
            await slow.watch(lambda _: False)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    assert "Traceback" not in product.log("web")
