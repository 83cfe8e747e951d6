"""Batches of commands at a Valkey of its own, which is killed, frozen and thawed."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from tests.servers import Valkey
from threads import replies
from threads.connections import ASYNC_OPTIONS
from threads.replies import Batches, Replies


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Valkey]:
    monkeypatch.setattr(replies, "ANSWER_TIMEOUT", 0.3)
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="replies-") as folder:
        server = Valkey(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def batches(server: Valkey) -> AsyncIterator[Batches]:
    client = redis.asyncio.Redis.from_url(server.url, **ASYNC_OPTIONS)
    yield Batches(client)
    await client.aclose()


def value(server: Valkey, key: str) -> bytes | None:
    with server.client() as client:
        return client.get(key)  # type: ignore[return-value]  # the client is synchronous


async def test_many_commands_are_done_in_their_order_over_one_connection(server: Valkey, batches: Batches) -> None:
    await batches.send(("SETRANGE", "text", 3 * number, "ab\n") for number in range(5000))
    await batches.send([("APPEND", "text", "ü"), ("APPEND", "text", b"\x00\xff"), ("EXPIRE", "text", 60)])
    assert value(server, "text") == b"ab\n" * 5000 + "ü".encode() + b"\x00\xff"
    with server.client() as client:
        assert len(client.client_list()) == 2  # this one too
        assert 0 < client.ttl("text") <= 60  # type: ignore[operator]  # the client is synchronous


async def test_no_commands_are_no_round_trip(server: Valkey, batches: Batches) -> None:
    server.stop()
    await batches.send([])


async def test_a_connection_that_died_is_replaced_at_once(server: Valkey, batches: Batches) -> None:
    await batches.send([("SET", "key", "old")])
    with server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    await batches.send([("SET", "key", "new")])
    assert value(server, "key") == b"new"


async def test_a_server_that_is_gone_is_said_and_one_that_comes_back_is_used(server: Valkey, batches: Batches) -> None:
    await batches.send([("SET", "key", "old")])
    server.stop()
    with pytest.raises(redis.ConnectionError):
        await batches.send([("SET", "key", "lost")])
    server.start()
    await batches.send([("SET", "key", "new")])
    assert value(server, "key") == b"new"


async def test_a_frozen_server_is_waited_for_once_and_its_late_replies_are_nobodys(
    server: Valkey, batches: Batches
) -> None:
    await batches.send([("SET", "key", "old")])
    with server.frozen(), pytest.raises(redis.TimeoutError):
        await batches.send([("SET", "key", "late")])
    with pytest.raises(redis.ResponseError):
        await batches.send([("HSET", "key", "field", "value")])  # the late OK must not be taken for its answer


async def test_what_is_refused_is_said_and_the_next_batch_is_not_mistaken(server: Valkey, batches: Batches) -> None:
    commands = [("SET", "one", "1"), ("HSET", "one", "field", "value"), ("SET", "two", "2")]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await batches.send(commands)
    assert value(server, "two") == b"2"
    await batches.send([("SET", "three", "3")])
    assert value(server, "three") == b"3"
    with server.client() as client:
        assert client.info("stats")["total_connections_received"] <= 6, "the connection was kept"


async def test_a_server_that_still_loads_counts_as_away() -> None:
    connection = redis.asyncio.Connection()
    connection._reader = asyncio.StreamReader()
    connection._reader.feed_data(b"-LOADING Redis is loading the dataset in memory\r\n")
    (reply,) = await Replies(connection).some()
    assert isinstance(reply, redis.ConnectionError)
