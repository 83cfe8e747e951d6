"""The one sender to a thread's sockets.

Frames travel at most once, so nothing may depend on one: what they say stands in the database, and a client that
missed some asks for a snapshot. That is why a failure to send is logged and never raised.
"""

import json
import logging
from typing import Any, cast
from uuid import UUID

import redis
from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.asyncio.client import Pipeline

from threads.connections import sync_client
from threads.events import Event

logger = logging.getLogger(__name__)

PREFIX = "polyphony"


class ThreadLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """channels-redis' pubsub layer, and its wire form for senders that put many frames into one Redis pipeline.

    The wire form (channel name and serialized message) is that of channels-redis 4.3, ``RedisPubSubLoopLayer``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix=PREFIX, **kwargs)

    def wire(self, group: str, message: dict[str, str]) -> tuple[str, bytes]:
        """The Redis channel of a group and the bytes that its consumers understand."""
        return f"{PREFIX}__group__{group}", self.serialize(message)


def group_name(thread_id: UUID | str) -> str:
    """The group of a thread's sockets."""
    return f"thread.{thread_id}"


def wire(thread_id: UUID | str, event: Event) -> tuple[str, bytes]:
    """One event as a Redis channel and the bytes to publish there; the text is encoded once for all sockets."""
    layer = cast(ThreadLayer, get_channel_layer())
    return layer.wire(group_name(thread_id), {"type": "thread.event", "text": json.dumps(event.payload())})


def send(thread_id: UUID | str, event: Event) -> None:
    """Tell the sockets of a thread one event, from synchronous code, after the commit of what it says."""
    _publish(thread_id, *wire(thread_id, event))


def close(thread_id: UUID | str) -> None:
    """Close the sockets of a thread that is no more."""
    layer = cast(ThreadLayer, get_channel_layer())
    _publish(thread_id, *layer.wire(group_name(thread_id), {"type": "thread.gone"}))


def publish(pipeline: Pipeline, thread_id: UUID | str, event: Event) -> None:
    """Add one event to a pipeline that the caller sends."""
    pipeline.publish(*wire(thread_id, event))


def _publish(thread_id: UUID | str, name: str, message: bytes) -> None:
    try:
        sync_client().publish(name, message)
    except redis.RedisError as error:
        logger.warning("A frame was not sent to thread %s: %s", thread_id, type(error).__name__)
