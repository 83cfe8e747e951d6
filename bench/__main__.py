"""``make bench``: what Polyphony adds to what the models themselves take.

One run asks three models (120 pieces, 20 ms apart) and then the master. Processes of the product run on the first core
of this machine; the vendor, the broker, the database's server and the one who watches on the second.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from bench import page
from bench.figures import Order, Row, Watched, row
from bench.processes import Pinned
from bench.targets import Floor, Polyphony, Refused, Target
from tests.chromium import CHROMIUM
from tests.product import free_port
from tests.servers import PostgreSQL


async def measure(target: Target, vendor: str, users: int, rounds: int, order: Order) -> Row:
    """A row of the table."""
    results: list[Watched | BaseException] = []
    await _lateness(vendor)
    ours, servers = target.cpu()
    for _ in range(rounds):
        for user in range(users):
            await target.open(user)
        asking = (_one(target, user, users, order) for user in range(users))
        results += await asyncio.gather(*asking, return_exceptions=True)
    await asyncio.sleep(0.5)
    ours, servers = (after - before for after, before in zip(target.cpu(), (ours, servers), strict=True))
    runs = _of_those_that_were_taken(results)
    assert runs, f"{target.name} refused all of {users}: {results[0]}"
    await target.check(runs)
    return row(
        target.name,
        runs,
        order,
        cpu=ours,
        servers_cpu=servers,
        memory=target.memory(),
        lateness=await _lateness(vendor),
        users=users,
        refused=len(results) - len(runs),
    )


async def _one(target: Target, user: int, users: int, order: Order) -> Watched:
    if users > 1:
        await asyncio.sleep(random.uniform(0, order.spread))
    return await target.run(user, order)


def _of_those_that_were_taken(results: list[Watched | BaseException]) -> list[Watched]:
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Refused):
            raise result
    return [result for result in results if isinstance(result, Watched)]


async def _lateness(vendor: str) -> list[float]:
    async with aiohttp.ClientSession() as session, session.get(f"{vendor}/lateness") as response:
        return list(await response.json())


@contextmanager
def a_vendor() -> Iterator[str]:
    """``bench.vendor`` in a process of its own; yields its address."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.vendor", str(port)])
    try:
        time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def a_folder() -> Iterator[Path]:
    """A folder with a short path, as sockets need, that other users may enter, as a database's server is one."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@asynccontextmanager
async def polyphony(vendor: str, database: str, users: int, **more: str) -> AsyncIterator[Polyphony]:
    """The product, started and warm; gone at the end of the context."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(a_folder())
        server = stack.enter_context(PostgreSQL(folder / "pg")) if database == "postgresql" else None
        target = Polyphony(folder / "product", vendor, server, **more)
        stack.push_async_callback(target.stop)
        await _warm(target, users)
        yield target


@asynccontextmanager
async def open_webui(program: Path, vendor: str, users: int) -> AsyncIterator[Target]:
    """The peer, from its own installation, started and warm; gone at the end of the context."""
    from bench.open_webui import OpenWebUI

    async with AsyncExitStack() as stack:
        target = OpenWebUI(program, stack.enter_context(a_folder()), vendor)
        stack.push_async_callback(target.stop)
        await _warm(target, users)
        yield target


async def _warm(target: Target, users: int) -> None:
    await target.start(users)
    for user in range(min(users, 3)):
        await target.open(user)
        await target.run(user, Order(pieces=120))


async def main(options: argparse.Namespace) -> None:
    """Print the table, row by row."""
    os.sched_setaffinity(0, Pinned.cores[1:2] or Pinned.cores)
    print(Row.HEAD)
    with a_vendor() as vendor:
        for users in options.users:
            print(await measure(Floor(vendor), vendor, users, 1, Order()), flush=True)
        for database in options.databases:
            async with polyphony(vendor, database, max(options.users)) as ours:
                await _print_rows(ours, vendor, options)
        if options.open_webui:
            async with open_webui(options.open_webui, vendor, max(options.users)) as peer:
                await _print_rows(peer, vendor, options)


async def _print_rows(target: Target, vendor: str, options: argparse.Namespace) -> None:
    for users in options.users:
        print(await measure(target, vendor, users, options.rounds, Order()), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--databases", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    parser.add_argument("--open-webui", type=Path, metavar="PROGRAM", help="measure Open WebUI too: where it is")
    parser.add_argument("--page", action=argparse.BooleanOptionalAction, default=True, help="measure the page too")
    chosen = parser.parse_args()
    asyncio.run(main(chosen))
    if chosen.page and CHROMIUM:
        os.sched_setaffinity(0, Pinned.cores)
        page.main()
    elif chosen.page:
        print("The page is not measured: there is no chromium here (apt install chromium-headless-shell, or chromium).")
