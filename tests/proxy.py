"""A proxy before several web processes, as small as one can be: each new connection goes to the next one that takes it.

    python -m tests.proxy 8000 8001 8002

It listens on the first port. Nothing is sticky: a page, its websocket and its next request may end up anywhere.
"""

import asyncio
import sys
from collections.abc import Sequence
from itertools import count

import uvloop

CHUNK = 1 << 16


class Proxy:
    """Hands connections on in turn; one that nobody takes is closed."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = ports
        self._turn = count()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        first = next(self._turn)
        for place in range(len(self.ports)):
            try:
                inner = await asyncio.open_connection("127.0.0.1", self.ports[(first + place) % len(self.ports)])
            except OSError:
                continue
            both = [asyncio.create_task(_hand_on(*ends)) for ends in ((reader, inner[1]), (inner[0], writer))]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # what was said last may still be on its way
            for task in both:
                task.cancel()
            inner[1].close()
            break
        writer.close()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass


async def serve(port: int, ports: Sequence[int]) -> None:
    """Until somebody ends this process."""
    server = await asyncio.start_server(Proxy(ports).take, "127.0.0.1", port, backlog=2000)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), [int(each) for each in sys.argv[2:]]))
