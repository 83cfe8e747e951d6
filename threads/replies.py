"""Redis past the part of redis-py that costs most: what it does for each single reply.

redis-py keeps addresses, passwords, TLS and the opening of connections. For each reply it makes a coroutine, a limit of
time and several contexts; at thousands of frames a second that is more than all the rest of a frame together. Here the
C parser that redis-py uses too takes whatever has come, in one call.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import hiredis
import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection

from threads.connections import ANSWER_TIMEOUT

CHUNK = 1 << 16
Command = tuple[str | bytes | int, ...]
"""A command and its arguments."""


class Replies:
    """What a server says on one connection of redis-py, which nobody else reads."""

    def __init__(self, connection: AbstractConnection) -> None:
        if connection._reader is None:
            raise redis.ConnectionError("The connection is closed")
        self._stream = connection._reader
        self._parser = hiredis.Reader(replyError=connection._parser.parse_error)

    async def some(self) -> list[Any]:
        """Everything that has come by now, and at least one reply. It may be cancelled, and nothing is lost by it.

        What the server refused is among them, as the exception of redis-py that says so.

        Raises:
            redis.ConnectionError: the server has gone.
        """
        found: list[Any] = []
        while not found:
            try:
                chunk = await self._stream.read(CHUNK)
            except OSError as error:
                raise redis.ConnectionError("The server has gone") from error
            if not chunk:
                raise redis.ConnectionError("The server has closed the connection")
            self._parser.feed(chunk)
            while (reply := self._parser.gets()) is not False:
                found.append(reply)
        return found


class Batches:
    """Many commands in one round trip, over one connection that is kept; for one task of one event loop."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._pool = client.connection_pool
        self._connection: AbstractConnection | None = None
        self._replies: Replies | None = None

    async def send(self, commands: Iterable[Command]) -> None:
        """Send them, and wait until all are done.

        A connection that died with an earlier server is replaced once; one that does not answer is not asked again.

        Raises:
            redis.ConnectionError, redis.TimeoutError: it is not known which of them were done.
            redis.ResponseError: at least one was refused, and the others were done.
        """
        packed = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]  # any length
        if not packed:
            return
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                try:
                    await self._exchange(packed)
                except redis.ConnectionError:
                    await self._close()
                    await self._exchange(packed)
        except TimeoutError:
            await self._close()
            raise redis.TimeoutError("The server does not answer") from None
        except redis.ResponseError:
            raise
        except BaseException:  # whatever it was, replies may still be on their way, and would be taken for others
            await self._close()
            raise

    async def _exchange(self, packed: list[bytes]) -> None:
        if self._connection is None or self._replies is None or not self._connection.is_connected:
            await self._close()
            self._connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
            self._replies = Replies(self._connection)
        writer = self._connection._writer
        assert writer is not None
        try:
            writer.writelines(packed)
            await writer.drain()
        except OSError as error:
            raise redis.ConnectionError("The server has gone") from error
        replies: list[Any] = []
        while len(replies) < len(packed):
            some = await self._replies.some()
            replies += [reply for reply in some if not isinstance(reply, hiredis.PushNotification)]
        for reply in replies:
            if isinstance(reply, redis.RedisError):
                raise reply

    async def _close(self) -> None:
        connection, self._connection, self._replies = self._connection, None, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)
