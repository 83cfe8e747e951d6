"""The connection of the sockets at a Valkey of its own, which is killed, frozen and thawed."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Valkey
from threads import subscriptions
from threads.channel import ThreadLayer

LOST, RESYNC = {"type": "thread.lost"}, {"type": "thread.resync"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Valkey]:
    monkeypatch.setattr(subscriptions, "SILENCE", 0.2)
    monkeypatch.setattr(subscriptions, "JOIN_PATIENCE", 0.2)
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="subs-") as folder:
        server = Valkey(Path(folder))
        server.start()
        yield server
        server.stop()


def say(server: Valkey, layer: ThreadLayer, group: str, word: str) -> None:
    with server.client() as client:
        client.publish(*layer.wire(group, {"type": word}))


@asynccontextmanager
async def layer_at(server: Valkey) -> AsyncIterator[ThreadLayer]:
    layer = ThreadLayer([server.url])
    try:
        yield layer
    finally:
        await layer.flush()


async def join(layer: ThreadLayer, group: str) -> str:
    name: str = await layer.new_channel()
    await layer.group_add(group, name)
    return name


async def hear(layer: ThreadLayer, name: str) -> Any:
    async with asyncio.timeout(5):
        return await layer.receive(name)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 -- nobody tells when it does
            await asyncio.sleep(0.01)


async def test_a_group_is_heard_as_soon_as_it_is_joined(server: Valkey) -> None:
    async with layer_at(server) as layer:
        name = await join(layer, "g")
        assert layer.hears("g")
        say(server, layer, "g", "one")
        assert await hear(layer, name) == {"type": "one"}


async def test_nothing_is_heard_of_a_group_that_everybody_left(server: Valkey) -> None:
    async with layer_at(server) as layer:
        name = await join(layer, "g")
        await layer.group_discard("g", name)
        with server.client() as client:
            await until(lambda: client.pubsub_channels() == [])
        assert not layer.hears("g")


async def test_whoever_leaves_and_comes_back_at_once_is_heard(server: Valkey) -> None:
    async with layer_at(server) as layer:
        for _ in range(20):
            name = await join(layer, "g")
            await layer.group_discard("g", name)
            again = await join(layer, "g")
            assert layer.hears("g")
            say(server, layer, "g", "one")
            assert await hear(layer, again) == {"type": "one"}
            await layer.group_discard("g", again)


async def kill_connection(server: Valkey, layer: ThreadLayer) -> None:
    with server.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


async def restart(server: Valkey, layer: ThreadLayer) -> None:
    server.stop()
    await until(lambda: not layer.hears("g"))
    server.start()


async def freeze(server: Valkey, layer: ThreadLayer) -> None:
    with server.frozen():
        await until(lambda: not layer.hears("g"))
        await asyncio.sleep(0.5)  # and tries to connect again, in vain


@pytest.mark.parametrize("break_it", [kill_connection, restart, freeze])
async def test_whatever_broke_each_socket_is_told_and_hears_again(
    server: Valkey, break_it: Callable[[Valkey, ThreadLayer], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with layer_at(server) as layer:
        sockets = [(group, await join(layer, group)) for group in ("g", "g", "h")]
        await break_it(server, layer)
        for _group, name in sockets:
            assert [await hear(layer, name), await hear(layer, name)] == [LOST, RESYNC]
        for group, name in sockets[1:]:
            say(server, layer, group, "after")
            assert await hear(layer, name) == {"type": "after"}
    assert len(caplog.records) == 2, caplog.text


async def test_a_socket_that_joins_a_frozen_server_soon_goes_on_and_is_told_when_it_hears(server: Valkey) -> None:
    async with layer_at(server) as layer:
        await join(layer, "g")
        with server.frozen():
            begun = time.monotonic()
            late = await join(layer, "h")
            assert time.monotonic() - begun < 0.5
            assert not layer.hears("h")
        assert await hear(layer, late) == RESYNC
        assert layer.hears("h")


async def test_many_sockets_that_join_a_frozen_server_do_not_wait_for_each_other(server: Valkey) -> None:
    async with layer_at(server) as layer:
        with server.frozen():
            begun = time.monotonic()
            names = await asyncio.gather(*(join(layer, f"g{number}") for number in range(50)))
            assert time.monotonic() - begun < 1
        for name in names:
            assert await hear(layer, name) == RESYNC


async def test_a_server_that_comes_later_is_heard_when_it_comes(server: Valkey) -> None:
    server.stop()
    async with layer_at(server) as layer:
        name = await join(layer, "g")
        assert not layer.hears("g")
        server.start()
        assert await hear(layer, name) == RESYNC
        say(server, layer, "g", "one")
        assert await hear(layer, name) == {"type": "one"}


async def test_silence_of_a_server_that_answers_is_no_trouble(server: Valkey) -> None:
    async with layer_at(server) as layer:
        name = await join(layer, "g")
        await asyncio.sleep(1)
        say(server, layer, "g", "one")
        assert await hear(layer, name) == {"type": "one"}


async def test_sockets_that_come_and_go_while_the_connection_is_killed_all_hear_in_the_end(server: Valkey) -> None:
    async with layer_at(server) as layer:
        done = asyncio.Event()

        async def kill() -> None:
            while not done.is_set():
                await kill_connection(server, layer)
                await asyncio.sleep(0.003)

        killing = asyncio.create_task(kill())
        kept = []
        for number in range(60):
            name = await join(layer, f"g{number}")
            if number % 3:
                await layer.group_discard(f"g{number}", name)
            else:
                kept.append((f"g{number}", name))
        done.set()
        await killing
        await until(lambda: all(layer.hears(group) for group, _ in kept))
        for group, name in kept:
            say(server, layer, group, "after")
            async with asyncio.timeout(5):
                while await layer.receive(name) != {"type": "after"}:
                    pass
