"""``make bench-scale``: how what a run costs grows, and where one process ends. Draws ``docs/scale.png``.

Four curves: the number of models in a run; of streams in one worker; of viewers at one web process; of messages in a
thread. And one question: whether a pool of four database connections holds up two hundred streams.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.__main__ import a_folder, a_vendor, measure, polyphony
from bench.figures import Order, Row
from bench.processes import Pinned, cpu_seconds, proportional_megabytes
from bench.targets import PIECES, Polyphony
from bench.viewers import Held, Viewers
from tests.product import Product

MODELS = (1, 2, 4, 8)
STREAMS = (40, 80, 160, 240, 320, 400)
PACES = (2_500, 5_000, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000)
MESSAGES = (10, 100, 1_000)
ROOM = {"ACTIVE_GENERATIONS_MAX": "1000", "WORKER_CONCURRENCY": "600", "OUTPUT_MAX_TOKENS": "8192"}
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "scale.png"


@dataclass
class Streams:
    """What one worker was like with so many streams at once."""

    wire: str
    streams: int
    p50: float
    p99: float
    """While all of them were held."""
    p99_of_all: float
    """Also while they began and ended, and with the syntheses."""
    core: float
    """Share of a core, of the worker: the mean over the drafts and, as long again, a quarter as many syntheses."""
    megabytes: float
    """For each stream, over the idle worker."""
    total: float

    HEAD = """\
| wire | streams | added a piece p50 / p99 held (p99 of all) | core | a stream | total / ideal |
|---|---|---|---|---|---|"""

    def __str__(self) -> str:
        added = f"{self.p50 * 1000:.1f} / {self.p99 * 1000:.1f} ({self.p99_of_all * 1000:.1f}) ms"
        return (
            f"| {self.wire} | {self.streams} | {added} | {self.core:.0%} | {self.megabytes * 1024:.0f} KB "
            f"| {self.total:.3f} |"
        )


async def models(vendor: str) -> list[tuple[int, Row]]:
    """One person, and more and more models."""
    found = []
    print("One person, more models\n\n" + Row.HEAD)
    async with polyphony(vendor, "sqlite", 1, **ROOM) as target:
        for count in MODELS:
            row = await measure(target, vendor, 1, 3, Order(models=count))
            found.append((count, row))
            print(f"{row} {count} models", flush=True)
    return found


async def streams(vendor: str) -> list[Streams]:
    """More and more streams at 50 pieces a second, each for twelve seconds, all of a worker on one core."""
    found = []
    print("\nOne worker, more streams of 50 pieces a second\n\n" + Streams.HEAD)
    order = Order(pieces=PIECES[-1], models=4, spread=4)
    for wire in ("mock", "anthropic"):
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(a_folder())
            target = Polyphony(folder / "product", vendor, None, (wire,), **ROOM)
            stack.push_async_callback(target.stop)
            await target.start(max(STREAMS) // 4)
            worker = target.product.processes["worker"].pid
            Pinned.move_to_second(target.product.processes["web"].pid)
            await target.open(0)
            await target.run(0, Order(models=4))
            idle = proportional_megabytes(worker)
            for count in STREAMS:
                used = cpu_seconds(worker)
                row, held = await _with_memory(measure(target, vendor, count // 4, 1, order), worker)
                core = (cpu_seconds(worker) - used) / (order.ideal * row.total)
                each = (held - idle) / count
                found.append(Streams(wire, count, row.added_p50, row.held_p99, row.added_p99, core, each, row.total))
                print(found[-1], flush=True)
    return found


async def _with_memory(measuring: Coroutine[None, None, Row], pid: int) -> tuple[Row, float]:
    """What was measured, and the most memory that a process took meanwhile."""
    task = asyncio.create_task(measuring)
    most = 0.0
    while not task.done():
        await asyncio.wait([task], timeout=1)
        most = max(most, proportional_megabytes(pid))
    return await task, most


async def viewers() -> list[list[Held]]:
    """One web process, and what it brings to its sockets."""
    found: list[list[Held]] = []
    with a_folder() as folder:
        product = Product(folder / "product", **ROOM)
        try:
            with Pinned.to_first():
                product.start()
            Pinned.move_to_second(product.processes["broker"].pid)
            person = product.person("ada")
            for sockets, threads in ((10, 10), (100, 100), (1000, 1000), (1000, 10)):
                each = Viewers(product, person)
                size = await each.open(sockets, threads)
                print(f"\n{sockets:,} sockets at {threads:,} threads: {size:.0f} KB a socket\n\n{Held.HEAD}")
                found.append(await each.most(PACES))
                print("\n".join(map(str, found[-1])), flush=True)
                if sockets == threads == 1000:
                    print(await _beside_slow_ones(each, found[-1]), flush=True)
                await each.close()
                await asyncio.sleep(1)
        finally:
            product.stop()
    return found


async def _beside_slow_ones(viewers: Viewers, held: Sequence[Held]) -> str:
    """What ten sockets that take nothing cost the others, at half of what the process can do."""
    pace = max((each.offered for each in held if each.p99 < 0.1), default=PACES[0]) // 2
    alone = await viewers.hold(pace)
    for socket in viewers.sockets[:10]:
        socket.transport.pause_reading()
    beside = await viewers.hold(pace)
    return (
        f"\nAt {pace:,} frames a second: p99 {alone.p99 * 1000:.1f} ms, {alone.cpu:.0%} of a core; "
        f"beside ten sockets that take nothing: {beside.p99 * 1000:.1f} ms, {beside.cpu:.0%}."
    )


def messages() -> list[tuple[int, float, int]]:
    """How long a thread takes to open, by the number of its messages; milliseconds and queries."""
    print("\nA thread of so many messages\n\n| messages | page | queries |\n|---|---|---|")
    found = []
    with a_folder() as folder:
        product = Product(folder / "product")
        try:
            product.start()
            person = product.person("ada")
            for count in MESSAGES:
                thread, queries = product.manage("shell", "--verbosity", "0", "-c", _FILL % (count // 2)).split()[-2:]
                with product.browser(person) as client:
                    times = [_timed(lambda: client.get(f"/threads/{thread}/").raise_for_status()) for _ in range(15)]  # noqa: B023
                found.append((count, statistics.median(times) * 1000, int(queries)))
                print(f"| {count:,} | {found[-1][1]:.0f} ms | {queries} |", flush=True)
        finally:
            product.stop()
    return found


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


async def small_pool(vendor: str) -> None:
    """Fifty people, two hundred streams, four connections."""
    print("\nFifty people, and four database connections in each process\n\n" + Row.HEAD)
    async with polyphony(vendor, "postgresql", 50, DATABASE_POOL="4", **ROOM) as target:
        row = await measure(target, vendor, 50, 2, Order())
        print(f"{row} the slowest took {row.worst / row.total:.2f} times the median", flush=True)


async def main(only: Sequence[str]) -> None:
    """All of them, or those that are named."""
    os.sched_setaffinity(0, Pinned.cores[1:2] or Pinned.cores)
    with a_vendor() as vendor:
        by_models = await models(vendor) if "models" in only else []
        by_streams = await streams(vendor) if "streams" in only else []
        if "pool" in only:
            await small_pool(vendor)
    by_viewers = await viewers() if "viewers" in only else []
    by_messages = messages() if "messages" in only else []
    if by_models and by_streams and by_viewers and by_messages:
        from bench.plots import draw

        draw(PICTURE, by_models, by_streams, by_viewers, by_messages)
        print(f"\nDrawn: {PICTURE}")


_FILL = """
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from runs.models import Generation, MultiModelRun
from threads.models import Message, Thread
owner, now = User.objects.get(username="ada"), timezone.now()
thread, last = Thread.objects.create(owner=owner, title="Why?"), None
for number in range(%d):
    prompt = Message.objects.create(
        thread=thread, role="user", kind="prompt", content="Why?", position=4 * number, parent=last)
    last = Message.objects.create(thread=thread, role="assistant", kind="final", content="Because. " * 40,
        position=4 * number + 3, parent=prompt, model_id="demo:andante")
    run = MultiModelRun.objects.create(thread=thread, owner=owner, prompt=prompt, final=last, status="completed",
        outcome="full", master_model="demo:andante", deadline_at=now, ended_at=now)
    Generation.objects.bulk_create(Generation(run=run, kind="synthesis" if place == 2 else "candidate",
        role="secondary" if place == 1 else "master", position=place %% 2, model_id="demo:andante", thread=thread,
        status="completed", attempt=1, text="Because. " * 40, started_at=now, ended_at=now) for place in range(3))
Thread.objects.filter(pk=thread.pk).update(tip=prompt)
page = Client(HTTP_HOST="127.0.0.1")
page.force_login(owner)
with CaptureQueriesContext(connection) as queries:
    assert page.get(f"/threads/{thread.pk}/").status_code == 200
print(thread.pk, len(queries))
"""

PARTS = ("models", "streams", "pool", "viewers", "messages")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    asyncio.run(main(parser.parse_args().only))
