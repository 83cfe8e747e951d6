"""A client of a thread's socket that keeps the protocol's rules (docs/protocol.md), for tests and the benchmark."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.product import Person, Product

SILENCE = 5.0
ACTIVE = ("queued", "answering", "synthesizing", "streaming")
TELL_A_GENERATION = tuple(f"generation.{word}" for word in ("waiting", "requeued", "completed", "failed", "cancelled"))
TELL_A_RUN = tuple(f"run.{word}" for word in ("started", "synthesizing", "completed", "failed", "cancelled"))
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
        self._run_of: dict[str, str] = {}
        self._streams: dict[str, tuple[str, str, int]] = {}
        """By name: the run, the generation and the attempt."""
        self._unknown_since = 0.0
        self._ended: set[str] = set()
        self._held: dict[str, list[dict[str, Any]]] = {}
        self._incomplete: dict[str, None] = {}

    async def watch(self, until: Callable[["Viewer"], bool], seconds: float = 30) -> None:
        """Take frames until ``until`` holds."""
        async with asyncio.timeout(seconds):
            while not until(self):
                await self.take()

    async def take(self) -> dict[str, Any]:
        """Take one message, and return the last frame in it; in silence ask how what is active stands."""
        return await self.hear(await self._receive())

    async def hear(self, said: str | bytes) -> dict[str, Any]:
        """Apply what one message says: a frame, or a list of them."""
        whole = json.loads(said)
        for each in whole if isinstance(whole, list) else [whole]:
            frame = each if isinstance(each, dict) else self._delta(*each)
            self.frames.append((time.monotonic(), frame))
            await self._apply(frame)
        asked, self._incomplete = self._incomplete, {}
        for run in asked:
            await self._ask(run)
        return frame

    def _delta(self, stream: str, offset: int, text: str) -> dict[str, Any]:
        """A piece of text, with what its short name stands for."""
        frame = {"type": "generation.delta", "stream": stream, "offset": offset, "text": text}
        if stream in self._streams:
            run, generation, attempt = self._streams[stream]
            frame |= {"run": run, "generation": generation, "attempt": attempt}
        return frame

    async def _receive(self) -> str | bytes:
        while True:
            try:
                async with asyncio.timeout(SILENCE):
                    return await self.socket.recv()
            except TimeoutError:
                for run in self.unfinished():
                    await self._ask(run)

    def unfinished(self) -> list[str]:
        """The runs of which something is to come: also of models that still write when their run has its answer."""
        active = {run: None for run, status in self.runs.items() if status in ACTIVE}
        active |= {self._run_of[each]: None for each, status in self.statuses.items() if status in ACTIVE}
        return list(active)

    async def _ask(self, run: str) -> None:
        """Ask how a run stands, or the whole thread."""
        await self.socket.send(json.dumps({"type": "snapshot", "run": run} if run else {"type": "snapshot"}))

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
            self._streams[frame["stream"]] = frame["run"], frame["generation"], frame["attempt"]
            self._begin(frame["run"], frame["generation"], frame["attempt"])
        elif kind in TELL_A_GENERATION:
            self._take_generation(frame["generation"])
        elif kind in TELL_A_RUN:
            self._take_run(frame["run"])
            if kind == "run.completed":
                self.finals[frame["message"]["parent"]] = frame["message"]["content"]

    def _begin(self, run: str, generation: str, attempt: int) -> None:
        self._run_of[generation] = run
        if attempt > self.attempts.get(generation, 0):
            self.attempts[generation], self.texts[generation] = attempt, ""
            self.statuses[generation] = "streaming"
            self._ended.discard(generation)

    async def _take_delta(self, frame: dict[str, Any]) -> None:
        if "run" not in frame:
            if time.monotonic() - self._unknown_since > SILENCE:
                self._unknown_since = time.monotonic()
                await self._ask("")
            return
        generation = frame["generation"]
        if generation in self._ended or frame["attempt"] < self.attempts.get(generation, 0):
            return
        self._begin(frame["run"], generation, frame["attempt"])
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
        self._streams[view["stream"]] = view["run"], generation, view["attempt"]
        if view["attempt"] < self.attempts.get(generation, 0):
            return
        self._begin(view["run"], generation, view["attempt"])
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
        for generation in [*view["generations"], *view["versions"]]:
            self._take_generation(generation)


@asynccontextmanager
async def watching(product: Product, person: Person, thread: str) -> AsyncIterator[Viewer]:
    """Watch a thread until the end of the context."""
    async with open_socket(product, person, thread) as socket:
        yield Viewer(socket)


@asynccontextmanager
async def open_socket(product: Product, person: Person, thread: str) -> AsyncIterator[ClientConnection]:
    """Open the socket of a thread as this person's browser would."""
    address = f"{product.url.replace('http', 'ws', 1)}/ws/threads/{thread}/"
    headers = {"Cookie": f"{product.cookie('sessionid')}={person.session}"}
    async with connect(address, additional_headers=headers, origin=product.url, max_size=None) as socket:  # type: ignore[arg-type]
        yield socket
