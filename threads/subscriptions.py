"""What the sockets of one event loop hear from Redis: one connection, which one task owns and replaces when it dies.

It stands in for the connection of channels-redis' pubsub layer, which two tasks open at the same time when Redis comes
back (they then read from one stream, and one of them breaks), which waits without end for a server that has stopped
answering without closing, and which tells nobody that frames were missed.
"""

import asyncio
import logging
import time
from collections import Counter
from typing import Any

import redis
from channels_redis.pubsub import RedisPubSubLoopLayer, RedisSingleShardConnection
from redis.asyncio.connection import AbstractConnection

from threads.connections import cancelled
from threads.replies import Replies

logger = logging.getLogger(__name__)

SILENCE = 2.0
"""Seconds without a frame after which the server is asked whether it is there, and after as many more is given up."""
JOIN_PATIENCE = 1.0
"""Seconds that a new socket waits until its group is heard. Without Redis it goes on with what the database says."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0


class Subscriptions(RedisSingleShardConnection):  # type: ignore[misc]
    """The groups that are wanted, and those of them that are heard; the rest wait for Redis.

    Sockets whose group is no longer heard find ``lost`` in their queues, and ``found`` once it is heard again. A socket
    that joins while Redis answers finds neither: its group is heard before it reads its first snapshot.
    """

    def __init__(self, host: dict[str, Any], layer: RedisPubSubLoopLayer, *, lost: bytes, found: bytes) -> None:
        super().__init__(host, layer)
        self._lost, self._found = lost, found
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._unanswered: Counter[str] = Counter()
        self._heard: set[str] = set()
        self._owed: set[str] = set()
        """Groups that somebody went on without."""
        self._joining: dict[str, asyncio.Future[None]] = {}
        self._changed = asyncio.Event()
        self._away_since: float | None = None

    def hears(self, name: str) -> bool:
        """Whether what is said in a group arrives here now."""
        return name in self._heard

    async def subscribe(self, channel: str) -> None:
        """Want a group and wait a moment until it is heard. Whoever goes on without it is told when it is."""
        self._wanted.add(channel)
        self._changed.set()
        self._ensure_redis()
        self._ensure_receiver()
        if channel not in self._heard and self._away_since is None:
            joining = self._joining.setdefault(channel, asyncio.get_running_loop().create_future())
            await asyncio.wait({joining}, timeout=JOIN_PATIENCE)
        if channel not in self._heard:
            self._owed.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Want a group no longer."""
        self._wanted.discard(channel)
        self._owed.discard(channel)
        self._joining.pop(channel, None)
        self._changed.set()

    async def flush(self) -> None:
        """Forget every group and end the connection."""
        await super().flush()
        for groups in (self._wanted, self._heard, self._owed, self._joining):
            groups.clear()
        self._away_since = None

    async def _do_receiving(self) -> None:
        """Hear over one connection after the other, until somebody cancels this."""
        pause = FIRST_PAUSE
        while not cancelled():
            connection = self._redis.connection_pool.make_connection()
            try:
                await self._hear_over(connection)
            except Exception as error:  # noqa: BLE001
                # Whatever it is, another connection is tried: a task that ends would leave every socket deaf.
                pause = FIRST_PAUSE if self._heard else min(2 * pause, LONGEST_PAUSE)
                self._gone(error)
            finally:
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause)

    async def _hear_over(self, connection: AbstractConnection) -> None:
        await connection.connect()  # type: ignore[no-untyped-call]
        both = [asyncio.create_task(work(connection)) for work in (self._ask, self._hear) if not cancelled()]
        try:
            for task in asyncio.as_completed(both):
                await task
        finally:
            for started in both:
                started.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _ask(self, connection: AbstractConnection) -> None:
        """Subscribe to what is wanted and was not asked for yet, and the other way round, whenever that changes."""
        self._asked.clear()
        self._unanswered.clear()
        self._changed.set()
        while not cancelled():
            await self._changed.wait()
            self._changed.clear()
            new, old = self._wanted - self._asked, self._asked - self._wanted
            self._asked = self._wanted.copy()
            self._unanswered.update(new)
            self._heard -= old
            for command, names in (("SUBSCRIBE", new), ("UNSUBSCRIBE", old)):
                if names:
                    await connection.send_command(command, *names, check_health=False)

    async def _hear(self, connection: AbstractConnection) -> None:
        """Hand on what comes. From a server that is frozen, or behind a cut cable, nothing comes and nothing fails."""
        replies, asked = Replies(connection), False
        while not cancelled():
            try:
                async with asyncio.timeout(SILENCE):
                    said = await replies.some()
            except TimeoutError:
                if asked:
                    raise redis.TimeoutError("The server has stopped answering") from None
                asked = True
                await connection.send_command("PING", check_health=False)
            else:
                asked = False
                for each in said:
                    self._take(each)

    def _take(self, said: Any) -> None:
        if isinstance(said, redis.RedisError):
            raise said
        if not isinstance(said, list) or said[0] not in (b"message", b"subscribe"):  # the answer to PING, or no matter
            return
        kind, name, data = said[0], said[1].decode(), said[-1]
        if kind == b"message":
            self._receive_message({"channel": name, "data": data})
        else:
            self._unanswered[name] -= 1
            if self._unanswered[name] <= 0 and name in self._wanted:
                self._begun(name)

    def _begun(self, name: str) -> None:
        """A group is heard from here on."""
        del self._unanswered[name]
        self._heard.add(name)
        self._let_go(name)
        if name in self._owed:
            self._owed.remove(name)
            self._receive_message({"channel": name, "data": self._found})
        if self._away_since is not None:
            logger.warning("The sockets hear Redis again after %.0f s", time.monotonic() - self._away_since)
            self._away_since = None

    def _gone(self, error: Exception) -> None:
        """Nothing is heard any more."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            logger.warning("The sockets do not hear Redis (%s); they will once it answers", type(error).__name__)
        heard, self._heard = self._heard, set()
        self._owed |= heard
        for name in heard:
            self._receive_message({"channel": name, "data": self._lost})
        for name in list(self._joining):
            self._let_go(name)

    def _let_go(self, name: str) -> None:
        joining = self._joining.pop(name, None)
        if joining is not None and not joining.done():
            joining.set_result(None)
