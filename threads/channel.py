"""The one sender to a thread's sockets.

Frames travel at most once, so nothing may depend on one: what they say stands in the database, and a client that
missed some asks for a snapshot. That is why a failure to send is never raised; ``threads.breaker`` logs its cause once.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import cast
from uuid import UUID, uuid4

import redis
from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer

from threads.connections import ASYNC_OPTIONS, LOST, REDIS, sync_client
from threads.events import Event
from threads.replies import Command
from threads.subscriptions import Subscriptions

logger = logging.getLogger(__name__)

PREFIX = "polyphony"
RESYNC = {"type": "thread.resync"}
"""To a socket: frames for you were missed."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
FRAMES_MAX = 256
"""How many frames may wait for one socket: more than a second of eight models that all write at full speed."""
BYTES_MAX = 1 << 20
"""How much may wait for one socket. A single frame may be larger: the end of a generation carries its whole text."""
Sender = Callable[[str, Command], None]
"""Takes the id of a thread and what sends one frame to its sockets; from any thread of the process, and never fails."""
_sender: Sender | None = None


class FrameQueue(asyncio.Queue[bytes]):
    """What waits for one socket, within bounds.

    One frame too many, and all of them give way to ``resync``, which asks the socket for a snapshot. Until that is
    taken nothing is added: what the frames would say will stand in the snapshot.
    """

    def __init__(self, resync: bytes) -> None:
        super().__init__()
        self._resync = resync
        self._bytes = 0
        self._overflowed = False

    def put_nowait(self, item: bytes) -> None:
        """Add a frame; never raises ``QueueFull``."""
        if self._overflowed:
            return
        if self.qsize() >= FRAMES_MAX or (self._bytes and self._bytes + len(item) > BYTES_MAX):
            while not self.empty():
                self.get_nowait()
            self._overflowed = True
            item = self._resync
        super().put_nowait(item)

    def _put(self, item: bytes) -> None:
        self._bytes += len(item)
        super()._put(item)

    def _get(self) -> bytes:
        item = super()._get()
        self._bytes -= len(item)
        self._overflowed = False
        return item


class ThreadLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """channels-redis' pubsub layer with bounded queues, a connection that heals and says so (``Subscriptions``), and
    its wire form for senders that fill a Redis pipeline.

    The wire form (channel name and serialized message) is that of channels-redis 4.3, ``RedisPubSubLoopLayer``.
    """

    def __init__(self, hosts: list[str]) -> None:
        super().__init__(hosts=[{"address": host, **ASYNC_OPTIONS} for host in hosts], prefix=PREFIX)

    async def new_channel(self, prefix: str = "specific.") -> str:
        """A name and a queue for one socket.

        Sockets are reached through their groups alone, so nothing is subscribed to at Redis here.
        """
        channel = f"{PREFIX}{prefix}{uuid4().hex}"
        self._get_layer().channels[channel] = FrameQueue(self.serialize(RESYNC))
        return channel

    def frames(self, channel: str) -> FrameQueue:
        """What waits for one socket."""
        return cast(FrameQueue, self._get_layer().channels[channel])

    def forget(self, channel: str) -> None:
        """This socket is no more."""
        self._get_layer().channels.pop(channel, None)

    def hears(self, group: str) -> bool:
        """Whether what is said in a group arrives in this process now."""
        layer = self._get_layer()
        name = layer._get_group_channel_name(group)
        return bool(layer._get_shard(name).hears(name))

    def wire(self, group: str, message: dict[str, str]) -> tuple[str, bytes]:
        """The Redis channel of a group and the bytes that its consumers understand."""
        return f"{PREFIX}__group__{group}", self.serialize(message)

    def _get_layer(self) -> RedisPubSubLoopLayer:
        layer = super()._get_layer()
        if not isinstance(layer._shards[0], Subscriptions):
            lost, found = self.serialize({"type": "thread.lost"}), self.serialize(RESYNC)
            layer._shards = [Subscriptions(shard.host, layer, lost=lost, found=found) for shard in layer._shards]
        return layer


def group_name(thread_id: UUID | str) -> str:
    """The group of a thread's sockets."""
    return f"thread.{thread_id}"


def wire(thread_id: UUID | str, *events: Event) -> tuple[str, bytes]:
    """Events as a Redis channel and the bytes to publish there; they are one frame, encoded once for all sockets."""
    layer = cast(ThreadLayer, get_channel_layer())
    return layer.wire(group_name(thread_id), {"type": "thread.event", "text": encode(*events)})


def encode(*events: Event) -> str:
    """The text of a frame: one event is an object; several, or a bare one, are a list."""
    payloads = [event.payload() for event in events]
    whole = payloads[0] if len(payloads) == 1 and not events[0].bare else payloads
    return _JSON.encode(whole)


def send_through(sender: Sender | None) -> None:
    """Let what is said here leave by another way of this process from now on; by none: at once, by itself."""
    global _sender  # noqa: PLW0603 (a process has one way, and says so once)
    _sender = sender


def send(thread_id: UUID | str, *events: Event) -> None:
    """Tell the sockets of a thread events in one frame, from synchronous code, after the commit of what they say."""
    _send(thread_id, wire(thread_id, *events))


def close(thread_id: UUID | str) -> None:
    """Close the sockets of a thread that is no more."""
    layer = cast(ThreadLayer, get_channel_layer())
    _send(thread_id, layer.wire(group_name(thread_id), {"type": "thread.gone"}))


def publish(thread_id: UUID | str, *events: Event) -> Command:
    """Sends one frame with these events."""
    return "PUBLISH", *wire(thread_id, *events)


def _send(thread_id: UUID | str, frame: tuple[str, bytes]) -> None:
    if (sender := _sender) is not None:
        sender(str(thread_id), ("PUBLISH", *frame))
        return
    try:
        with REDIS.trying():
            sync_client().publish(*frame)
    except redis.ResponseError as error:  # Redis is there and refuses
        logger.warning("A frame was not sent to thread %s: %s", thread_id, type(error).__name__)
    except LOST:
        pass
