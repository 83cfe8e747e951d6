from collections.abc import Iterator
from typing import Any

import pytest
import redis

from threads import live
from threads.connections import async_client, sync_client
from threads.replies import Batches

pytestmark = pytest.mark.usefixtures("redis_flushed")
NAME = live.key("generation", 1)


async def write(*pieces: tuple[int, str]) -> None:
    client = async_client()
    commands = [live.append(NAME, offset, text.encode()) for offset, text in pieces]
    await Batches(client).send([*commands, live.keep(NAME)])
    await client.aclose()


async def test_pieces_at_their_offsets_are_one_text() -> None:
    await write((0, "Grün "), (6, "und 🌳"), (14, "."))
    assert live.read({NAME: ""}) == {NAME: "Grün und 🌳."}


async def test_a_piece_that_is_written_twice_does_no_harm() -> None:
    await write((0, "abc"), (3, "def"), (0, "abc"), (3, "def"))
    assert live.read({NAME: "ab"}) == {NAME: "abcdef"}


async def test_what_the_database_has_beyond_redis_wins() -> None:
    await write((0, "abc"))
    assert live.read({NAME: "abcdef"}) == {NAME: "abcdef"}


async def test_a_lost_front_is_taken_from_the_database() -> None:
    await write((3, "def"))
    assert sync_client().get(NAME) == b"\x00\x00\x00def"
    assert live.read({NAME: "abc"}) == {NAME: "abcdef"}


async def test_a_hole_behind_what_the_database_has_ends_the_text_there() -> None:
    await write((5, "fgh"))
    assert live.read({NAME: "abc"}) == {NAME: "abc"}


async def test_a_character_that_is_cut_at_the_end_is_left_out() -> None:
    client = async_client()
    await Batches(client).send([live.append(NAME, 0, "ab🌳".encode()[:-1])])
    await client.aclose()
    assert live.read({NAME: ""}) == {NAME: "ab"}


async def test_texts_go_by_themselves() -> None:
    await write((0, "abc"))
    assert 0 < sync_client().ttl(NAME) <= live.KEEP.total_seconds()


def test_another_attempt_is_another_text() -> None:
    assert live.key("g", 1) != live.key("g", 2)


def test_nothing_is_read_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "sync_client", None)
    assert live.read({}) == {}


def test_a_text_that_redis_does_not_know_is_what_the_database_has() -> None:
    assert live.read({NAME: "stored"}) == {NAME: "stored"}


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    client: Any = redis.Redis(unix_socket_path="/nowhere/valkey.sock")
    monkeypatch.setattr(live, "sync_client", lambda: client)
    yield
    client.close()


@pytest.mark.usefixtures("away")
def test_with_redis_away_it_is_what_the_database_has() -> None:
    assert live.read({NAME: "stored"}) == {NAME: "stored"}
