"""``make bench``: what Polyphony adds to what the models themselves take.

One run asks three models (60 pieces, 20 ms apart) and then the master. The floor is a bare client that reads the same
four streams from the same server, without a database, a broker or a page. Both are measured in turn, several times.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.processes import cpu_seconds, resident_megabytes
from tests.flows.conftest import Wire
from tests.product import Person, Product
from tests.viewer import OVER, Viewer, watching
from tests.wire import WireServer

MODEL = "ok-60x20ms"
HEAD = """\
| users | total / floor (worst) | request to first text | last draft to synthesis | CPU a run | memory |
|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Times:
    """Seconds from the request of one run."""

    first_text: float
    synthesis_gap: float
    total: float


async def floor(address: str) -> float:
    """Seconds for three streams in parallel and one after them, read by a bare client."""

    async def read(session: aiohttp.ClientSession) -> None:
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "Go."}]}
        async with session.post(f"{address}/v1/chat/completions", json=body) as response:
            await response.read()

    begun = time.monotonic()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(read(session) for _ in range(3)))
        await read(session)
    return time.monotonic() - begun


async def one_run(product: Product, person: Person, thread: str, session: aiohttp.ClientSession) -> Times:
    """One run as an open page sees it."""
    async with watching(product, person, thread) as viewer:
        await viewer.take()
        begun = time.monotonic()
        body = {"prompt": "Go.", "master": f"wire:{MODEL}", "secondaries": [f"wire:{MODEL}"] * 2}
        async with session.post(f"{product.url}/api/threads/{thread}/runs/", json=body) as response:
            assert response.status == 202, await response.text()
        await viewer.watch(lambda viewer: viewer.frames[-1][1]["type"] in OVER, 120)
    return _times(viewer, begun)


def _times(viewer: Viewer, begun: float) -> Times:
    deltas = [(at, frame["generation"]) for at, frame in viewer.frames if frame["type"] == "generation.delta"]
    synthesis = viewer.frames[-1][1]["run"]["generations"][-1]["id"]
    completed = [
        (at, frame["generation"]["id"]) for at, frame in viewer.frames if frame["type"] == "generation.completed"
    ]
    last_draft = max(at for at, generation in completed if generation != synthesis)
    first_of_synthesis = next(at for at, generation in deltas if generation == synthesis)
    return Times(deltas[0][0] - begun, first_of_synthesis - last_draft, viewer.frames[-1][0] - begun)


async def users(product: Product, person: Person, count: int) -> list[Times]:
    """``count`` people ask at once."""
    headers = person.api.headers.items()
    async with aiohttp.ClientSession(headers=dict(headers)) as session:
        threads = [person.api.post("/api/threads/", json={}).json()["id"] for _ in range(count)]
        return await asyncio.gather(*(one_run(product, person, thread, session) for thread in threads))


async def measure(product: Product, person: Person, address: str, count: int, rounds: int) -> str:
    """A row of the table: medians over all runs of all rounds."""
    floors, times = [], []
    cpu = cpu_seconds(product)
    for _ in range(rounds):
        floors.append(await floor(address))
        times += await users(product, person, count)
    cpu = (cpu_seconds(product) - cpu) / len(times)
    ideal = statistics.median(floors)
    totals = [one.total / ideal for one in times]
    columns = [
        f"{count}",
        f"{statistics.median(totals):.3f} ({max(totals):.3f})",
        f"{statistics.median(one.first_text for one in times) * 1000:.0f} ms",
        f"{statistics.median(one.synthesis_gap for one in times) * 1000:.0f} ms",
        f"{cpu * 1000:.0f} ms",
        f"{resident_megabytes(product):.0f} MB",
    ]
    return "| " + " | ".join(columns) + " |"


async def main(rounds: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with WireServer(0) as server:
            wire = Wire(server.port)
            product = Product(Path(folder), **environment(wire))
            try:
                await asyncio.to_thread(product.start)
                person = await asyncio.to_thread(product.person)
                await users(product, person, 2)
                print(HEAD)
                for count in (1, 10):
                    print(await measure(product, person, wire.url, count, rounds), flush=True)
            finally:
                await asyncio.to_thread(product.stop)


def environment(wire: Wire) -> dict[str, str]:
    """One compatible provider, at the server of the benchmark."""
    return {"COMPATIBLE_PROVIDERS": f"wire={wire.url}/v1", "COMPATIBLE_WIRE_MODELS": MODEL}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
