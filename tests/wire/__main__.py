"""Run the server until it is interrupted, and print its port."""

import argparse
import asyncio
import contextlib

from tests.wire.server import WireServer


async def serve(port: int) -> None:
    async with WireServer(port) as wire:
        print(wire.port, flush=True)
        await asyncio.Event().wait()


parser = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__)
parser.add_argument("--port", type=int, default=0, help="0 for any free one")
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(serve(parser.parse_args().port))
