import json
import logging
import time
import uuid
from typing import Any

import pytest
import redis
from channels.layers import get_channel_layer

from threads import channel
from threads.channel import BYTES_MAX, FRAMES_MAX, FrameQueue, ThreadLayer
from threads.events import ThreadUpdated

THREAD = uuid.uuid4()
EVENT = ThreadUpdated(thread={"id": str(THREAD), "title": "Grün 🌳"})


@pytest.mark.usefixtures("redis_flushed")
async def test_what_is_sent_arrives_at_each_socket_of_the_thread() -> None:
    layer: Any = get_channel_layer()
    one, two, other = [await layer.new_channel() for _ in range(3)]
    for name in (one, two):
        await layer.group_add(channel.group_name(THREAD), name)
    await layer.group_add(channel.group_name(uuid.uuid4()), other)
    channel.send(THREAD, EVENT)
    for name in (one, two):
        message = await layer.receive(name)
        assert (message["type"], json.loads(message["text"])) == ("thread.event", EVENT.payload())
    await layer.flush()


class Refusing:
    """A Redis that fails each time it is asked."""

    def __init__(self, error: redis.RedisError) -> None:
        self.error = error
        self.asked = 0

    def publish(self, *_: Any) -> None:
        self.asked += 1
        raise self.error


def test_with_redis_away_one_frame_finds_out_and_the_log_has_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = Refusing(redis.ConnectionError("redis://:secret@host is away"))
    monkeypatch.setattr(channel, "sync_client", lambda: away)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            channel.send(THREAD, EVENT)
            channel.close(THREAD)
    assert away.asked == 1
    assert [record.message for record in caplog.records] == [
        "Redis does not answer (ConnectionError); until it does, nobody waits for it"
    ]


def test_a_frame_that_redis_refuses_is_logged_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = Refusing(redis.ResponseError("OOM"))
    monkeypatch.setattr(channel, "sync_client", lambda: full)
    with caplog.at_level(logging.WARNING):
        channel.send(THREAD, EVENT)
        channel.close(THREAD)
    assert full.asked == 2
    assert [record.message for record in caplog.records] == [
        f"A frame was not sent to thread {THREAD}: ResponseError"
    ] * 2


def all_of(queue: FrameQueue) -> list[bytes]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def test_frames_wait_in_their_order() -> None:
    queue, frames = FrameQueue(b"resync"), [bytes([number]) for number in range(FRAMES_MAX)]
    for frame in frames:
        queue.put_nowait(frame)
    assert all_of(queue) == frames


def test_one_frame_too_many_and_a_resync_stands_for_all() -> None:
    queue = FrameQueue(b"resync")
    for _ in range(3 * FRAMES_MAX):
        queue.put_nowait(b"frame")
    assert all_of(queue) == [b"resync"]
    queue.put_nowait(b"later")
    assert all_of(queue) == [b"later"]


def test_what_waits_is_bounded_in_bytes_too() -> None:
    queue, half = FrameQueue(b"resync"), b"x" * (BYTES_MAX // 2)
    for _ in range(2):
        queue.put_nowait(half)
    assert all_of(queue) == [half, half]
    for _ in range(3):
        queue.put_nowait(half)
    assert all_of(queue) == [b"resync"]


def test_a_frame_that_is_larger_than_the_bound_is_let_through_alone() -> None:
    queue, whole_text = FrameQueue(b"resync"), b"x" * (2 * BYTES_MAX)
    queue.put_nowait(whole_text)
    assert all_of(queue) == [whole_text]


@pytest.mark.usefixtures("redis_flushed")
async def test_a_socket_that_takes_nothing_finds_a_resync_and_then_what_is_new() -> None:
    layer: Any = get_channel_layer()
    stalled, healthy = [await layer.new_channel() for _ in range(2)]
    for name in (stalled, healthy):
        await layer.group_add(channel.group_name(THREAD), name)
    for _ in range(FRAMES_MAX + 50):
        channel.send(THREAD, EVENT)
        assert (await layer.receive(healthy))["type"] == "thread.event"
    assert await layer.receive(stalled) == {"type": "thread.resync"}
    channel.send(THREAD, EVENT)
    assert (await layer.receive(stalled))["type"] == "thread.event"
    await layer.flush()


async def test_with_redis_away_a_socket_gets_its_queue_and_can_ask_at_once_whether_it_hears() -> None:
    layer: Any = ThreadLayer(["unix:///nowhere/valkey.sock"])
    name = await layer.new_channel()
    begun = time.monotonic()
    await layer.group_add(channel.group_name(THREAD), name)
    assert not layer.hears(channel.group_name(THREAD))
    await layer.group_discard(channel.group_name(THREAD), name)
    assert time.monotonic() - begun < 0.5
    await layer.flush()
