"""What is measured: Polyphony, and the bare client that takes no time of its own.

A peer joins the table with one more ``Target``: how it is started, how somebody asks it, and what its CPU is.
"""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from bench.figures import Order, Watched
from bench.processes import Pinned, cpu_seconds, proportional_megabytes
from tests.product import Person, Product
from tests.servers import PostgreSQL

OVER = {"run.completed", "run.failed", "run.cancelled"}
PATIENCE = 90
PIECES = (120, 600)
"""How long the answers are that can be ordered."""


class Refused(Exception):
    """A target answered a request with an error."""


class Target(ABC):
    """Something that asks several models and has one answer written."""

    name: str

    @abstractmethod
    async def start(self, users: int) -> None:
        """Be ready for so many people."""

    @abstractmethod
    async def open(self, user: int) -> None:
        """Let one person have a page open, ready to ask: they have it before they type."""

    @abstractmethod
    async def run(self, user: int, order: Order) -> Watched:
        """One person's run from the request to its end, watched on the page that is open; it is closed then.

        Raises:
            Refused: it was not taken.
        """

    @abstractmethod
    async def check(self, runs: Sequence[Watched]) -> None:
        """Note what is stored of each run, after all have ended."""

    @abstractmethod
    def cpu(self) -> tuple[float, float]:
        """CPU seconds so far: of its own processes, and of its broker and database."""

    @abstractmethod
    def memory(self) -> float:
        """Megabytes of all of its processes; what they share is counted once."""


async def read_stream(response: aiohttp.ClientResponse, watched: Watched, name: str) -> None:
    """Take the text of a response whose body is a stream as vendors send it."""
    async for line in response.content:
        watched.size += len(line)
        if line.startswith(b"data: {"):
            choices = json.loads(line[6:])["choices"]
            if choices and (text := choices[0]["delta"].get("content")):
                watched.take(name, text, time.monotonic())


class Floor(Target):
    """A client that reads the same streams from the same vendor, with nothing in between."""

    name = "bare client"

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self._session: aiohttp.ClientSession | None = None

    async def start(self, users: int) -> None:
        """Nothing has to be ready."""

    async def open(self, user: int) -> None:
        """Nothing has to be open."""

    async def run(self, user: int, order: Order) -> Watched:
        """Three streams side by side and one after them."""
        watched = Watched(asked=time.monotonic(), synthesis="synthesis")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            drafts = [self._read(session, watched, f"draft {number}", order) for number in range(order.models)]
            await asyncio.gather(*drafts)
            await self._read(session, watched, "synthesis", order)
        watched.ended = time.monotonic()
        return watched

    async def check(self, runs: Sequence[Watched]) -> None:
        """Nothing is stored."""
        for run in runs:
            run.stored = {each: "".join(text for _, text in pieces) for each, pieces in run.came.items()}

    def cpu(self) -> tuple[float, float]:
        """It runs in the process of the benchmark."""
        return 0.0, 0.0

    def memory(self) -> float:
        """It runs in the process of the benchmark."""
        return 0.0

    async def _read(self, session: aiohttp.ClientSession, watched: Watched, name: str, order: Order) -> None:
        body = {"model": order.model, "stream": True}
        async with session.post(f"{self.vendor}/v1/chat/completions", json=body) as response:
            await read_stream(response, watched, name)


class Polyphony(Target):
    """The whole product: rows, leases, checkpoints, sign-in and sweeper included."""

    def __init__(
        self,
        folder: Path,
        vendor: str,
        server: PostgreSQL | None = None,
        wires: Sequence[str] = ("mock",),
        **more: str,
    ) -> None:
        self.name = f"Polyphony ({'PostgreSQL' if server else 'SQLite'})"
        self.wires = wires
        self.server = server
        self.product = Product(folder, **self._environment(folder, vendor, server), **more)
        self._people: list[Person] = []
        self._open: dict[int, tuple[str, aiohttp.ClientWebSocketResponse]] = {}
        """By user: the thread, and its socket."""
        self._session: aiohttp.ClientSession | None = None

    async def start(self, users: int) -> None:
        """Start its processes, all on one core, with its servers on the other one."""
        with Pinned.to_first():
            await asyncio.to_thread(self.product.start)
        Pinned.move_to_second(self.product.processes["broker"].pid)
        names = [f"user-{number}" for number in range(users)]
        self._people = await asyncio.to_thread(self.product.persons, names)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def stop(self) -> None:
        """End everything."""
        if self._session:
            await self._session.close()
        await asyncio.to_thread(self.product.stop)

    async def open(self, user: int) -> None:
        """A new thread, and its socket."""
        assert self._session
        person = self._people[user]
        thread = await self._thread(person)
        socket = await self._session.ws_connect(
            f"{self.product.url}/ws/threads/{thread}/",
            headers={"Cookie": f"{self.product.cookie('sessionid')}={person.session}", "Origin": self.product.url},
            max_msg_size=0,
        )
        await socket.receive(timeout=PATIENCE)
        self._open[user] = thread, socket

    async def run(self, user: int, order: Order) -> Watched:
        """Ask over REST and watch the thread's socket, as an open page does."""
        thread, socket = self._open.pop(user)
        async with socket, asyncio.timeout(PATIENCE):
            watched = Watched(asked=time.monotonic())
            watching = asyncio.create_task(self._watch(socket, watched))
            try:
                await self._ask(thread, self._people[user], order)
                await watching
            finally:
                watching.cancel()
        return watched

    async def check(self, runs: Sequence[Watched]) -> None:
        """Read every text from the database, past our own code."""
        found = self.product.rows("SELECT id, kind, text, status FROM runs_generation")
        rows = {str(row[0]).replace("-", ""): row[1:] for row in found}
        for run in runs:
            run.stored = {each: rows[each.replace("-", "")][1] for each in run.came}
            kinds = {rows[each.replace("-", "")][0]: each for each in run.came}
            run.synthesis = kinds.get("synthesis", "")  # a single model's answer needs none
            assert all(rows[each.replace("-", "")][2] == "completed" for each in run.came), "a generation failed"

    def cpu(self) -> tuple[float, float]:
        """Web and worker; broker and database."""
        ours = sum(cpu_seconds(process.pid) for name, process in self.product.processes.items() if name != "broker")
        servers = cpu_seconds(self.product.processes["broker"].pid)
        return ours, servers + (cpu_seconds(self.server.pid) if self.server else 0.0)

    def memory(self) -> float:
        """All of it, without the database's server."""
        return sum(proportional_megabytes(process.pid) for process in self.product.processes.values())

    async def _thread(self, person: Person) -> str:
        assert self._session
        address, headers = f"{self.product.url}/api/threads/", {"Authorization": f"Token {person.token}"}
        async with self._session.post(address, json={}, headers=headers) as response:
            return str((await response.json())["id"])

    async def _ask(self, thread: str, person: Person, order: Order) -> None:
        assert self._session
        models = [f"{self.wires[number % len(self.wires)]}:{order.model}" for number in range(order.models)]
        body = {"prompt": "Go.", "master": models[0], "secondaries": models[1:]}
        address = f"{self.product.url}/api/threads/{thread}/runs/"
        headers = {"Authorization": f"Token {person.token}"}
        async with self._session.post(address, json=body, headers=headers) as response:
            if response.status != 202:
                raise Refused(await response.text())

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse, watched: Watched) -> None:
        """See what a page sees: deltas, a snapshot where some were missed, and whole texts at the end."""
        names: dict[str, str] = {}
        async for message in socket:
            now = time.monotonic()
            said = json.loads(message.data)
            watched.frames += 1
            watched.size += len(message.data)
            for frame in said if isinstance(said, list) else [said]:
                if isinstance(frame, list):
                    name, offset, text = frame
                    if name not in names or watched.piece(names[name], offset, text, now):
                        await socket.send_str('{"type":"snapshot"}')
                    continue
                match frame["type"]:
                    case "generation.started" | "generation.restarted":
                        names[frame["stream"]] = frame["generation"]
                    case "generation.completed":
                        watched.whole(frame["generation"]["id"], frame["generation"]["text"], now)
                    case "snapshot":
                        for run in frame["runs"]:
                            for generation in run["generations"]:
                                names[generation["stream"]] = generation["id"]
                                watched.whole(generation["id"], generation["text"], now)
                    case over if over in OVER:
                        watched.ended = now
                        assert over == "run.completed", frame
                        return
        raise AssertionError(f"the socket was closed: {socket.close_code}")

    def _environment(self, folder: Path, vendor: str, server: PostgreSQL | None) -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        models = folder / "models.toml"
        names = [Order(pieces=pieces).model for pieces in PIECES]
        models.write_text("".join(f'[[models]]\nid = "anthropic:{name}"\n' for name in names))
        return {
            **({"DATABASE_URL": server.address} if server else {}),
            "MODELS_FILE": str(models),
            "COMPATIBLE_PROVIDERS": f"mock={vendor}/v1",
            "COMPATIBLE_MOCK_MODELS": ",".join(names),
            "ANTHROPIC_API_KEY": "sk-of-the-benchmark",
            "ANTHROPIC_BASE_URL": vendor,
            "LOG_LEVEL": "warning",
        }
