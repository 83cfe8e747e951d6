"""How many frames one web process brings to its sockets: no model and no worker, only what is said and who hears it.

Frames are published at Redis as a worker publishes them, at an even pace; each carries the moment at which it left. The
sockets are bare protocols: a websocket library at fifteen thousand frames a second would be what is measured.
"""

import asyncio
import base64
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import cast
from uuid import UUID

import redis.asyncio

from bench.figures import percentile
from bench.processes import cpu_seconds, proportional_megabytes
from runs.events import stream_name
from tests.product import Person, Product
from threads.channel import ThreadLayer, group_name
from threads.replies import Batches

STAMP = re.compile(rb"@(\d+\.\d+)@")
TICK = 0.01
"""Seconds between two batches of frames."""
SECONDS = 4.0
"""How long each pace is kept."""
ENOUGH = 0.1
"""Seconds: a pace is held as long as 99 of 100 frames come sooner than this."""


class Socket(asyncio.Protocol):
    """One open page."""

    def __init__(self, request: bytes, opened: Callable[[], None]) -> None:
        self._request, self._opened = request, opened
        self._rest = b""
        self._upgraded = False
        self.delays: list[float] = []
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a websocket."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.closed = True

    def data_received(self, data: bytes) -> None:
        """Note when each frame came; answer a ping."""
        now = time.monotonic()
        data = self._rest + data
        if not self._upgraded:
            head, whole, data = data.partition(b"\r\n\r\n")
            if not whole:
                self._rest = head
                return
            assert b" 101 " in head, head
            self._upgraded = True
        place = 0
        while (end := _end_of_frame(data, place)) is not None:
            begin, stop = end
            kind = data[place] & 15
            if kind == 9:
                self.transport.write(bytes((0x8A, 0x80 | stop - begin, 0, 0, 0, 0)) + data[begin:stop])
            elif found := STAMP.search(data, begin, stop):
                self.delays.append(now - float(found[1]))
            elif self._opened:
                self._opened()
                self._opened = lambda: None
            place = stop
        self._rest = data[place:]


def _end_of_frame(data: bytes, place: int) -> tuple[int, int] | None:
    """Where the text of a server's frame begins and ends, once all of it is here (RFC 6455, section 5.2)."""
    if len(data) < place + 2:
        return None
    size, begin = data[place + 1], place + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, begin = int.from_bytes(data[begin : begin + width]), begin + width
    return (begin, begin + size) if len(data) >= begin + size else None


@dataclass(frozen=True)
class Held:
    """What came of one pace."""

    sockets: int
    threads: int
    offered: int
    """Frames a second to all sockets together."""
    delivered: float
    p50: float
    p99: float
    cpu: float
    """Share of a core that the web process took."""
    watching: float
    """Share of a core that these sockets and who speaks to them took here: near 100 %, and they were the bottleneck."""

    HEAD = """\
| sockets | threads | frames a second offered | delivered | delay p50 / p99 | core | watching |
|---|---|---|---|---|---|---|"""

    def __str__(self) -> str:
        delay = f"{self.p50 * 1000:.1f} / {self.p99 * 1000:.1f} ms"
        columns = [f"{self.sockets:,}", f"{self.threads:,}", f"{self.offered:,}", f"{self.delivered:,.0f}", delay]
        return "| " + " | ".join([*columns, f"{self.cpu:.0%}", f"{self.watching:.0%}"]) + " |"


class Viewers:
    """Sockets of one person at threads of their own, or many at each."""

    def __init__(self, product: Product, person: Person) -> None:
        self.product, self.person = product, person
        self.sockets: list[Socket] = []
        self.threads: list[str] = []
        self._client = redis.asyncio.Redis.from_url(product.environment["REDIS_URL"])
        self._batches = Batches(self._client)
        self._layer = ThreadLayer([product.environment["REDIS_URL"]])

    async def open(self, sockets: int, threads: int) -> float:
        """Open so many; returns the kilobytes that each of them takes in the web process."""
        made = self.product.manage("shell", "--verbosity", "0", "-c", _MAKE % (self.person.name, threads))
        self.threads = made.split()[-threads:]
        web = self.product.processes["web"].pid
        before = proportional_megabytes(web)
        for thread in islice(cycle(self.threads), sockets):
            opened = asyncio.Event()
            request = self._request(thread)
            _, socket = await asyncio.get_running_loop().create_connection(
                lambda request=request, opened=opened: Socket(request, opened.set), "127.0.0.1", self.product.port
            )
            self.sockets.append(socket)
            await asyncio.wait_for(opened.wait(), 10)
        return (proportional_megabytes(web) - before) * 1024 / sockets

    async def hold(self, offered: int, seconds: float = SECONDS) -> Held:
        """Keep one pace and see what arrives."""
        for socket in self.sockets:
            socket.delays.clear()
        web = self.product.processes["web"].pid
        used, own = cpu_seconds(web), time.process_time()
        viewers = len(self.sockets) // len(self.threads)
        thread = cycle(self.threads)
        begun = time.monotonic()
        said = 0
        while (now := time.monotonic()) < begun + seconds:
            due = int((now - begun) * offered / viewers)
            await self._batches.send([self._frame(next(thread), said + more) for more in range(due - said)])
            said = due
            await asyncio.sleep(TICK)
        await asyncio.sleep(1)
        delays = [delay for socket in self.sockets for delay in socket.delays]
        return Held(
            sockets=len(self.sockets),
            threads=len(self.threads),
            offered=offered,
            delivered=len(delays) / seconds,
            p50=percentile(delays, 0.5),
            p99=percentile(delays, 0.99),
            cpu=(cpu_seconds(web) - used) / seconds,
            watching=(time.process_time() - own) / seconds,
        )

    async def most(self, paces: Sequence[int]) -> list[Held]:
        """One pace after the other, until two are not held."""
        held: list[Held] = []
        for pace in paces:
            held.append(await self.hold(pace))
            if sum(each.p99 > ENOUGH or each.delivered < 0.97 * each.offered for each in held) > 1:
                break
        return held

    async def close(self) -> None:
        """Close all of them."""
        for socket in self.sockets:
            socket.transport.abort()
        self.sockets.clear()
        await self._client.aclose()

    def _request(self, thread: str) -> bytes:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = [
            f"GET /ws/threads/{thread}/ HTTP/1.1",
            f"Host: 127.0.0.1:{self.product.port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Origin: {self.product.url}",
            f"Cookie: {self.product.cookie('sessionid')}={self.person.session}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _frame(self, thread: str, number: int) -> tuple[str, str, bytes]:
        """A delta as a worker sends it."""
        text = f'[["{stream_name(UUID(thread), 1)}",{number},"@{time.monotonic():.6f}@ "]]'
        return "PUBLISH", *self._layer.wire(group_name(thread), {"type": "thread.event", "text": text})


_MAKE = """
from django.contrib.auth.models import User
from threads.models import Thread
owner = User.objects.get(username=%r)
for thread in Thread.objects.bulk_create(Thread(owner=owner, title="Why?") for _ in range(%d)):
    print(thread.pk)
"""
