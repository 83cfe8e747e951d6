"""From the texts that grow in this process, and the words about them, to the sockets: one flush for all at a time."""

import asyncio
import logging
import time
from uuid import UUID

import redis
from django.conf import settings

from runs.events import GenerationBlock, GenerationDelta, GenerationReasoning, stream_name
from threads import channel, live
from threads.breaker import NotTried
from threads.connections import REDIS, async_client, cancelled
from threads.events import Event
from threads.formatting import Block, Splitter
from threads.replies import Batches, Command
from workers import loop
from workers.formatting import formatter

logger = logging.getLogger(__name__)

REASONING_MAX_CHARS = 64 * 1024
"""Thoughts are read once, if at all; an answer is what is kept whole."""
FLUSH_SECONDS_A_TEXT = 0.00025
"""How much longer pieces are gathered for each text that grows in this process, up to ``FLUSH_SECONDS``."""
LOOSE_MAX = 64
"""How many pieces of a text are kept as they came before they are made one: each takes five times its letters."""
KEEP_EVERY = 60.0
"""Seconds after which a text is told anew when to be forgotten."""


class _Stream:
    """Pieces in order, and how much of them has been sent."""

    def __init__(self, key: str) -> None:
        self.waiting: list[str] = []
        self._pieces: list[str] = []
        self._loose = 0
        self._key = key
        self._sent_bytes = 0
        self._sent_units = 0
        self._keep_again = 0.0

    def add(self, piece: str) -> None:
        """Keep a piece, and send it with the next flush."""
        self.waiting.append(piece)
        self._pieces.append(piece)
        self._loose += 1
        if self._loose == LOOSE_MAX:
            self._pieces = [*self._pieces[:-LOOSE_MAX], "".join(self._pieces[-LOOSE_MAX:])]
            self._loose = 0

    def so_far(self) -> str:
        """The whole text; safe from any thread, since a list of pieces is only added to, or replaced by its equal."""
        return "".join(self._pieces.copy())

    def flush_into(self, commands: list[Command], *, last: bool) -> tuple[int, str]:
        """Add what keeps for late readers what was not sent yet; returns its offset and the text itself."""
        text = "".join(self.waiting)
        self.waiting.clear()
        encoded = text.encode()
        commands.append(live.append(self._key, self._sent_bytes, encoded))
        now = time.monotonic()
        if now >= self._keep_again or last:
            commands.append(live.keep(self._key))
            self._keep_again = now + KEEP_EVERY
        offset = self._sent_units
        self._sent_bytes += len(encoded)
        self._sent_units += len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
        return offset, text


class GrowingText:
    """One attempt's text and the thoughts before it, and how much of them has been sent."""

    def __init__(self, thread_id: UUID, run_id: UUID, generation_id: UUID, attempt: int) -> None:
        self.thread_id = str(thread_id)
        self.run_id = str(run_id)
        self.generation_id = str(generation_id)
        self.attempt = attempt
        self._name = stream_name(generation_id, attempt)
        self.length = 0
        """Characters."""
        self.shortened = False
        """The model thinks more than is kept."""
        self._answer = _Stream(live.key(generation_id, attempt))
        self._thoughts = _Stream(live.reasoning_key(generation_id, attempt))
        self._thoughts_length = 0
        self._finished = False
        self._hidden = False
        self._splitter = Splitter()
        self._blocks: list[GenerationBlock] = []
        self._pusher: Pusher | None = None

    def begin(self) -> None:
        """Pieces are about to come; called in the loop, and :meth:`finish` once they are over."""
        self._sender().open += 1

    def hide(self) -> None:
        """Send nothing until :meth:`show`; called before pieces come."""
        self._hidden = True

    def show(self) -> None:
        """Send what has come, and from now on whatever comes; from any thread."""
        loop.call(self._show)

    def append(self, piece: str) -> None:
        """Add what came; the next flush sends it."""
        self._answer.add(piece)
        self.length += len(piece)
        self._format(self._splitter.feed(piece))
        self._wake_sender()

    def think(self, piece: str) -> None:
        """Add a thought, as long as there is room; what does not fit is neither kept nor sent."""
        if self.shortened:
            return
        room = REASONING_MAX_CHARS - self._thoughts_length
        self.shortened = len(piece) > room
        self._thoughts.add(piece[:room])
        self._thoughts_length += len(piece)
        self._wake_sender()

    def finish(self) -> None:
        """No more comes: what is left is a block too."""
        self._finished = True
        self._format(self._splitter.finish())
        self._sender().open -= 1

    def so_far(self) -> str:
        """The whole text, from any thread."""
        return self._answer.so_far()

    def thoughts_so_far(self) -> str:
        """What the model thought aloud, from any thread."""
        return self._thoughts.so_far()

    def flush_into(self, commands: list[Command]) -> list[Event]:
        """Add what keeps for late readers what was not sent yet; returns what open sockets are to be told."""
        events: list[Event] = []
        if self._thoughts.waiting:
            events.append(self._flush_thoughts(commands))
        if self._answer.waiting:
            events.append(self._flush_text(commands))
        events += self._blocks
        self._blocks.clear()
        return events

    def _show(self) -> None:
        self._hidden = False
        self._wake_sender()

    def _wake_sender(self) -> None:
        if not self._hidden:
            self._sender().wake(self)

    def _sender(self) -> "Pusher":
        if self._pusher is None:
            self._pusher = _pusher()
        return self._pusher

    def _format(self, blocks: list[Block]) -> None:
        for block in blocks:
            formatter().take(block, self._formatted)

    def _formatted(self, block: Block, html: str) -> None:
        self._blocks.append(
            GenerationBlock(
                run=self.run_id,
                generation=self.generation_id,
                attempt=self.attempt,
                start=block.start,
                end=block.end,
                html=html,
            )
        )
        self._wake_sender()

    def _flush_text(self, commands: list[Command]) -> GenerationDelta:
        offset, text = self._answer.flush_into(commands, last=self._finished)
        return GenerationDelta(stream=self._name, offset=offset, text=text)

    def _flush_thoughts(self, commands: list[Command]) -> GenerationReasoning:
        offset, text = self._thoughts.flush_into(commands, last=self._finished)
        return GenerationReasoning(
            run=self.run_id,
            generation=self.generation_id,
            attempt=self.attempt,
            offset=offset,
            text=text,
            shortened=self.shortened,
        )


class Pusher:
    """Sends the waiting pieces of all texts in one round trip, and those of one thread in one frame.

    The first piece after a pause leaves at once. The more texts are open, the longer pieces are gathered, since each
    round trip and each frame costs the same however much it carries. Other frames of this process leave with them, each
    behind the pieces that came to its thread before it. What cannot be sent is dropped: the reader sees the gap.
    """

    def __init__(self) -> None:
        self.open = 0
        """Texts that grow now."""
        self._changed: dict[str, dict[GrowingText, None]] = {}
        """By thread."""
        self._waiting: list[Command] = []
        self._awake = asyncio.Event()
        self._turn = asyncio.Lock()
        """Held while something is on its way: what comes later is sent later."""
        self._trouble = ""
        self._batches = Batches(async_client())
        self._task = asyncio.create_task(self._run())

    def wake(self, text: GrowingText) -> None:
        """This text has something to send."""
        self._changed.setdefault(text.thread_id, {})[text] = None
        self._awake.set()

    def tell(self, thread_id: str, frame: Command) -> None:
        """Send a frame to the sockets of this thread."""
        try:
            self._gather(thread_id)
        finally:
            self._waiting.append(frame)
            self._awake.set()

    def _gather(self, thread_id: str) -> None:
        """What the texts of a thread have to send waits in its order from now on."""
        events: list[Event] = []
        for text in self._changed.pop(thread_id, ()):
            events += text.flush_into(self._waiting)
        if events:
            self._waiting.append(channel.publish(thread_id, *events))

    async def _run(self) -> None:
        while not cancelled():
            await self._awake.wait()
            self._awake.clear()
            begun = time.monotonic()
            await self.flush()
            gap = min(self.open * FLUSH_SECONDS_A_TEXT, settings.FLUSH_SECONDS)
            await asyncio.sleep(max(0.0, begun + gap - time.monotonic()))

    async def flush(self) -> None:
        """Send what waits now, once what is on its way has been sent."""
        try:
            async with self._turn:
                for thread_id in list(self._changed):
                    self._gather(thread_id)
                commands, self._waiting = self._waiting, []
                with REDIS.trying():
                    await self._batches.send(commands)
        except (redis.ConnectionError, redis.TimeoutError, NotTried):
            pass  # the breaker has said it
        except Exception as error:  # noqa: BLE001
            # Whatever it is, the next flush is tried: a pusher that ends would silence every stream of the process.
            self._complain(type(error).__name__)
        else:
            self._trouble = ""

    def _complain(self, trouble: str) -> None:
        """Say it once, and not with every flush."""
        if trouble != self._trouble:
            logger.warning("Frames are not sent: %s", trouble)
        self._trouble = trouble


_pushers: dict[asyncio.AbstractEventLoop, Pusher] = {}


def _pusher() -> Pusher:
    """The pusher of the running loop."""
    running = asyncio.get_running_loop()
    if running not in _pushers:
        _pushers[running] = Pusher()
    return _pushers[running]


def tell(thread_id: str, frame: Command) -> None:
    """Send a frame with the texts that grow in this process: a :data:`threads.channel.Sender`."""
    loop.call(lambda: _pusher().tell(thread_id, frame))


def drain(patience: float) -> None:
    """Wait until all that was told in this process is sent, or for so many seconds."""
    try:
        loop.submit(_drain()).result(patience)
    except TimeoutError:
        logger.warning("The last words to the sockets were not sent within %s s", patience)


async def _drain() -> None:
    await _pusher().flush()
