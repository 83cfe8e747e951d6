"""A vendor for measuring: both wires, text at an exact pace, and each piece says when it left.

    python -m bench.vendor 8800

The model's name is the order: ``mock-120x20ms-after250ms`` says 120 pieces, 20 ms apart, the first after 250 ms. A
piece is ``@`` and the moment (``time.monotonic``, which all processes of one machine share). It is written on bare
asyncio protocols: at ten thousand pieces a second a web framework would be what is measured. ``GET /lateness`` tells
how late it was itself, and begins anew.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import cast

import uvloop

ORDER = re.compile(r"mock-(\d+)x(\d+)ms-after(\d+)ms")
PARAGRAPH = 24
"""Pieces after which a new paragraph begins, as in a real answer."""
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\n\r\n"

lateness: list[float] = []
"""Seconds by which each piece left later than it should have."""


def _chunk(data: str) -> bytes:
    raw = data.encode()
    return b"%x\r\n%s\r\n" % (len(raw), raw)


def _openai(text: str | None, total: int) -> str:
    if text is not None:
        choice = f'{{"index":0,"delta":{{"content":{json.dumps(text)}}},"finish_reason":null}}'
        return (
            f'data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"mock","choices":[{choice}]}}\n\n'
        )
    usage = {"prompt_tokens": 50, "completion_tokens": total, "total_tokens": 50 + total}
    stop = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return f"data: {json.dumps(stop)}\n\ndata: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n"


def _anthropic(text: str | None, total: int) -> str:
    if text is not None:
        return (
            'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
            f'{{"type":"text_delta","text":{json.dumps(text)}}}}}\n\n'
        )
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": total}}
    return (
        f'event: message_delta\ndata: {json.dumps(delta)}\n\nevent: message_stop\ndata: {{"type":"message_stop"}}\n\n'
    )


class Vendor(asyncio.Protocol):
    """One connection; it is kept and may ask again."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody listens any more."""
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole; requests come one after the other."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not found or (length and len(body) < int(length[1])):
            return
        self._received = b""
        if head.startswith(b"GET /lateness"):
            answer = json.dumps(lateness).encode()
            lateness.clear()
            self._transport.write(_HEAD % (b"application/json", b"Content-Length: %d" % len(answer)) + answer)
        else:
            say = _anthropic if b"/messages" in head.partition(b"\r\n")[0] else _openai
            self._begin(say, json.loads(body)["model"])

    def _begin(self, say: Callable[[str | None, int], str], model: str) -> None:
        order = ORDER.fullmatch(model)
        assert order, f"not a model of the benchmark: {model}"
        count, gap, first = int(order[1]), int(order[2]) / 1000, int(order[3]) / 1000
        self._transport.write(_HEAD % (b"text/event-stream", b"Transfer-Encoding: chunked"))
        now = time.monotonic()
        self._next((now + first + gap * number for number in range(count)), say, 0, count)

    def _next(self, times: Iterator[float], say: Callable[[str | None, int], str], number: int, count: int) -> None:
        due = next(times, None)
        if due is None:
            self._transport.write(_chunk(say(None, count)) + b"0\r\n\r\n")
        else:
            self._timer = self._loop.call_later(due - time.monotonic(), self._say, due, times, say, number, count)

    def _say(
        self, due: float, times: Iterator[float], say: Callable[[str | None, int], str], number: int, count: int
    ) -> None:
        now = time.monotonic()
        lateness.append(now - due)
        end = "\n\n" if number % PARAGRAPH == PARAGRAPH - 1 else " "
        self._transport.write(_chunk(say(f"@{now:.6f}{end}", count)))
        self._next(times, say, number + 1, count)


async def serve(port: int) -> None:
    """Until somebody ends this process."""
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", port, backlog=2000)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
