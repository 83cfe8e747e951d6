import json
import logging
import uuid
from typing import Any

import pytest
import redis
from channels.layers import get_channel_layer

from threads import channel
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


def test_a_frame_that_cannot_be_sent_is_logged_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away:
        def publish(self, *_: Any) -> None:
            raise redis.ConnectionError("redis://:secret@host is away")

    monkeypatch.setattr(channel, "sync_client", Away)
    with caplog.at_level(logging.WARNING):
        channel.send(THREAD, EVENT)
        channel.close(THREAD)
    assert [record.message for record in caplog.records] == [
        f"A frame was not sent to thread {THREAD}: ConnectionError"
    ] * 2
