"""A client of a thread's socket that keeps the protocol's rules (docs/protocol.md), for tests and the benchmark."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.product import Person, Product

OVER = ("run.completed", "run.failed", "run.cancelled")


class Viewer:
    """What one open page knows: the text of each generation, the states, and every frame that came."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[tuple[float, dict[str, Any]]] = []
        self.texts: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.statuses: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        self.finals: dict[str, str] = {}
        self.resyncs = 0
        self._ended: set[str] = set()
        self._held: dict[str, list[dict[str, Any]]] = {}
        self._incomplete: dict[str, None] = {}

    async def watch(self, until: Callable[["Viewer"], bool], seconds: float = 30) -> None:
        """Take frames until ``until`` holds."""
        async with asyncio.timeout(seconds):
            while not until(self):
                await self.take()

    async def take(self) -> dict[str, Any]:
        """Take one frame."""
        frame: dict[str, Any] = json.loads(await self.socket.recv())
        self.frames.append((time.monotonic(), frame))
        await self._apply(frame)
        asked, self._incomplete = self._incomplete, {}
        for run in asked:
            await self._ask(run)
        return frame

    async def _ask(self, run: str) -> None:
        await self.socket.send(json.dumps({"type": "snapshot", "run": run}))

    async def _apply(self, frame: dict[str, Any]) -> None:
        kind = frame["type"]
        if kind == "snapshot":
            for run in frame["runs"]:
                self._take_run(run)
            for message in frame["messages"]:
                if message["kind"] == "final":
                    self.finals[message["parent"]] = message["content"]
            unread = (run for run in frame["runs"] if run["final"] and run["prompt"] not in self.finals)
            self._incomplete.update(dict.fromkeys(run["id"] for run in unread))
            await self._apply_held()
        elif kind == "generation.delta":
            await self._take_delta(frame)
        elif kind in ("generation.started", "generation.restarted"):
            self._begin(frame["generation"], frame["attempt"])
        elif kind.startswith("generation."):
            self._take_generation(frame["generation"])
        elif kind.startswith("run."):
            self._take_run(frame["run"])
            if kind == "run.completed":
                self.finals[frame["message"]["parent"]] = frame["message"]["content"]

    def _begin(self, generation: str, attempt: int) -> None:
        if attempt > self.attempts.get(generation, 0):
            self.attempts[generation], self.texts[generation] = attempt, ""
            self.statuses[generation] = "streaming"
            self._ended.discard(generation)

    async def _take_delta(self, frame: dict[str, Any]) -> None:
        generation = frame["generation"]
        if generation in self._ended or frame["attempt"] < self.attempts.get(generation, 0):
            return
        self._begin(generation, frame["attempt"])
        have = self.texts.setdefault(generation, "").encode("utf-16-le")
        piece = frame["text"].encode("utf-16-le")
        overlap = len(have) - 2 * frame["offset"]
        if overlap < 0:
            self._held.setdefault(generation, []).append(frame)
            self.resyncs += 1
            await self._ask(frame["run"])
        else:
            self.texts[generation] = (have + piece[overlap:]).decode("utf-16-le")

    async def _apply_held(self) -> None:
        held, self._held = self._held, {}
        for frames in held.values():
            for frame in frames:
                await self._take_delta(frame)

    def _take_generation(self, view: dict[str, Any]) -> None:
        generation = view["id"]
        if view["attempt"] < self.attempts.get(generation, 0):
            return
        if view["attempt"] > self.attempts.get(generation, 0):
            self._ended.discard(generation)
        self.attempts[generation], self.statuses[generation] = view["attempt"], view["status"]
        ended = view["status"] in ("completed", "failed", "cancelled")
        if view["text"] is None and ended and generation not in self._ended:
            self._incomplete[view["run"]] = None
            return
        if view["text"] is not None and (ended or len(view["text"]) >= len(self.texts.get(generation, ""))):
            self.texts[generation] = view["text"]
        if ended:
            self._ended.add(generation)

    def _take_run(self, view: dict[str, Any]) -> None:
        self.runs[view["id"]] = view["status"]
        for generation in view["generations"]:
            self._take_generation(generation)


@asynccontextmanager
async def watching(product: Product, person: Person, thread: str) -> AsyncIterator[Viewer]:
    """Open the socket of a thread as this person's browser would."""
    address = f"{product.url.replace('http', 'ws', 1)}/ws/threads/{thread}/"
    headers = {"Cookie": f"{product.cookie('sessionid')}={person.session}"}
    async with connect(address, additional_headers=headers, origin=product.url, max_size=None) as socket:  # type: ignore[arg-type]
        yield Viewer(socket)
