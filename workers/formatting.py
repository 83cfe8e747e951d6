"""Finished blocks of the texts that grow in this process become HTML, in order, beside the loop that reads them."""

import asyncio
import logging
from collections.abc import Callable

from threads.formatting import Block, render

logger = logging.getLogger(__name__)

AT_ONCE_MAX = 600
"""Characters that are formatted in the loop itself: well under 2 ms, and a thread would cost as much."""


class Formatter:
    """Formats one block at a time, whichever text it is of: never more than one thread is busy with it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[Block, Callable[[Block, str], None]]] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def take(self, block: Block, then: Callable[[Block, str], None]) -> None:
        """Format a block when its turn comes."""
        self._queue.put_nowait((block, then))

    async def _run(self) -> None:
        while True:
            block, then = await self._queue.get()
            try:
                small = len(block.text) <= AT_ONCE_MAX
                then(block, render(block) if small else await asyncio.to_thread(render, block))
            except Exception:
                # The block stays plain text until a page formats the whole; a formatter that ends would leave all so.
                logger.exception("A block of %d characters could not be formatted", len(block.text))


_formatters: dict[asyncio.AbstractEventLoop, Formatter] = {}


def formatter() -> Formatter:
    """The formatter of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _formatters:
        _formatters[loop] = Formatter()
    return _formatters[loop]
