"""From the texts that grow in this process to the sockets that show them: one flush for all of them at a time."""

import asyncio
import logging
from uuid import UUID

from django.conf import settings
from redis.asyncio.client import Pipeline

from runs.events import GenerationDelta
from threads import channel, live
from threads.connections import async_client

logger = logging.getLogger(__name__)


class GrowingText:
    """One attempt's text, and how much of it has been sent."""

    def __init__(self, thread_id: UUID, run_id: UUID, generation_id: UUID, attempt: int) -> None:
        self.thread_id = thread_id
        self.run_id = str(run_id)
        self.generation_id = str(generation_id)
        self.attempt = attempt
        self.length = 0
        """Characters."""
        self._key = live.key(generation_id, attempt)
        self._pieces: list[str] = []
        self._waiting: list[str] = []
        self._sent_bytes = 0
        self._sent_units = 0

    def append(self, piece: str) -> None:
        """Add what came; the next flush sends it."""
        self._pieces.append(piece)
        self._waiting.append(piece)
        self.length += len(piece)
        _pusher().wake(self)

    def so_far(self) -> str:
        """The whole text; safe from any thread, since pieces are only ever added."""
        return "".join(self._pieces.copy())

    def flush_into(self, pipeline: Pipeline) -> None:
        """Put what was not sent yet into a pipeline: for late readers and for the sockets that are open now."""
        text = "".join(self._waiting)
        self._waiting.clear()
        encoded = text.encode()
        delta = GenerationDelta(
            run=self.run_id,
            generation=self.generation_id,
            attempt=self.attempt,
            offset=self._sent_units,
            text=text,
        )
        live.append(pipeline, self._key, self._sent_bytes, encoded)
        channel.publish(pipeline, self.thread_id, delta)
        self._sent_bytes += len(encoded)
        self._sent_units += len(text.encode("utf-16-le")) // 2


class Pusher:
    """Sends the waiting pieces of all texts in one round trip, at most one in ``FLUSH_SECONDS``.

    The first piece after a pause leaves at once. What cannot be sent is dropped: the reader sees the gap.
    """

    def __init__(self) -> None:
        self._changed: dict[GrowingText, None] = {}
        self._awake = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def wake(self, text: GrowingText) -> None:
        """This text has something to send."""
        self._changed[text] = None
        self._awake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._awake.wait()
            self._awake.clear()
            begun = loop.time()
            await self._flush()
            await asyncio.sleep(max(0.0, begun + settings.FLUSH_SECONDS - loop.time()))

    async def _flush(self) -> None:
        texts, self._changed = list(self._changed), {}
        pipeline = async_client().pipeline(transaction=False)
        for text in texts:
            text.flush_into(pipeline)
        try:
            await pipeline.execute()
        except Exception as error:  # noqa: BLE001
            # Whatever it is, the next flush is tried: a pusher that ends would silence every stream of the process.
            logger.warning("Deltas of %d texts were not sent: %s", len(texts), type(error).__name__)


_pushers: dict[asyncio.AbstractEventLoop, Pusher] = {}


def _pusher() -> Pusher:
    """The pusher of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _pushers:
        _pushers[loop] = Pusher()
    return _pushers[loop]
