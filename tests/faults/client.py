"""Pages that stay open whatever happens, and keep the rules of docs/protocol.md, also those about connecting again."""

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any
from uuid import UUID

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.faults.rows import Run
from tests.product import Person, Product
from tests.viewer import SILENCE, Viewer, open_socket

ASK_EVERY = 0.5
PAUSES = (0.2, 4.0)
"""Seconds before the first try to connect again, and the longest pause."""
FOR_GOOD = frozenset({4401, 4404, 1003, 1007, 1008, 1009})


class Page(Viewer):
    """One open page. What it knows outlives its sockets."""

    def __init__(self, product: Product, person: Person, thread: str) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.frames = deque(maxlen=100)  # type: ignore[assignment]
        self.thread = thread
        self.sockets = 0
        """How often it was connected."""
        self.asked = 0
        """How often it asked for a snapshot."""
        self.closed_for_good = 0
        self._product, self._person = product, person
        self._wanted: dict[str, None] = {}
        self._asked_at: dict[str, float] = {}
        self._heard_at: dict[str, float] = {}

    async def stay(self) -> None:
        """Be connected, and connect again with growing pauses, until cancelled."""
        pause = PAUSES[0]
        while not self.closed_for_good:
            begun = time.monotonic()
            await self._visit()
            pause = PAUSES[0] if time.monotonic() - begun > PAUSES[1] else min(2 * pause, PAUSES[1])
            await asyncio.sleep(pause * random.uniform(0.5, 1))

    async def _visit(self) -> None:
        try:
            async with open_socket(self._product, self._person, self.thread) as socket:
                self.socket = socket
                self.sockets += 1
                await self._listen()
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            self.closed_for_good = code if code in FOR_GOOD else 0
        except (OSError, InvalidHandshake, InvalidMessage, TimeoutError):
            pass  # there is no server at the moment

    async def _listen(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    said = await self.socket.recv()
                self._note(await self.hear(said))
            self._mind_silence()
            await self._ask_for_what_is_wanted()

    def _note(self, frame: dict[str, Any]) -> None:
        about = frame.get("run") or {}
        runs = frame.get("runs") or [{"id": about} if isinstance(about, str) else about]
        for run in runs:
            self._heard_at[run.get("id", "")] = time.monotonic()

    def _mind_silence(self) -> None:
        """Ask about an unfinished run of which nothing is said."""
        now = time.monotonic()
        for run in self.unfinished():
            if now - self._heard_at.get(run, 0) > SILENCE:
                self._heard_at[run] = now
                self._wanted[run] = None

    async def _ask(self, run: str) -> None:
        self._wanted[run] = None

    async def _ask_for_what_is_wanted(self) -> None:
        """Each run at most once in half a second."""
        now = time.monotonic()
        for run in [run for run in self._wanted if now - self._asked_at.get(run, 0) >= ASK_EVERY]:
            del self._wanted[run]
            self._asked_at[run] = now
            self.asked += 1
            await super()._ask(run)

    def differences(self, run: Run) -> Iterator[str]:
        """Where this page shows something else than the database holds."""
        key = _dashed(run.id)
        if self.runs.get(key) != run.status:
            yield f"the page says {self.runs.get(key)}, the database {run.status}"
        for generation in run.generations:
            if not generation.current:
                continue
            shown = self.statuses.get(_dashed(generation.id)), self.texts.get(_dashed(generation.id), "")
            if shown != (generation.status, generation.text):
                text = f"{len(shown[1])} characters {shown[1][-60:]!r}"
                holds = f"{len(generation.text)} characters {generation.text[-60:]!r}"
                yield f"{generation.model}: the page says {shown[0]} {text}, the database {generation.status} {holds}"
        final = next((message.content for message in run.messages if message.id == run.final), None)
        if self.finals.get(_dashed(run.prompt)) != final:
            yield f"the page shows another final answer: {self.finals.get(_dashed(run.prompt))!r}"


class Audience:
    """Many pages, in a loop and a thread of their own."""

    def __init__(self) -> None:
        self._open: dict[Page, Future[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="audience", daemon=True)
        self._thread.start()

    def watch(self, product: Product, person: Person, thread: str) -> Page:
        """Open a page on a thread."""
        page = Page(product, person, thread)
        self._open[page] = asyncio.run_coroutine_threadsafe(page.stay(), self._loop)
        return page

    def close_page(self, page: Page) -> None:
        """Close it; raises what it died of, if it did."""
        future = self._open.pop(page)
        if future.done():
            future.result()
        future.cancel()

    def leave(self) -> None:
        """Close all pages; raises what one of them died of."""
        with ExitStack() as stack:
            stack.callback(lambda: asyncio.run_coroutine_threadsafe(_gone(), self._loop).result(10))
            for page in list(self._open):
                stack.callback(self.close_page, page)

    def close(self) -> None:
        """Everybody goes home."""
        try:
            self.leave()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()


async def _gone() -> None:
    """Wait for the sockets to be closed."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.wait(tasks, timeout=8) if tasks else None


def _dashed(identifier: str) -> str:
    """As clients see it."""
    return str(UUID(identifier))
