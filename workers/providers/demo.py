"""A provider without any AI behind it: it shows the product before there is a key, and carries the tests."""

import asyncio
import re
from collections.abc import AsyncGenerator

from workers.providers.base import Finish, FinishReason, Reach, Reasoning, Request, StreamEvent, Text, Usage
from workers.providers.cleaning import clean
from workers.providers.demo_script import script, thoughts

TOKENS_PER_SECOND = 25.0
"""About what a large hosted model does."""

_PIECE = re.compile(r"\s*\S{1,10}|\s+")


class DemoProvider:
    """Scripted models: each name has a voice and says the same to the same conversation."""

    def __init__(self, reach: Reach) -> None:
        self.name = reach.name

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        """Say the script at the model's pace; see :meth:`workers.providers.base.Provider.stream`."""
        pieces = _PIECE.findall(clean(script(request.model, request.turns)))
        said = pieces[: request.max_output_tokens]
        thought = _PIECE.findall(clean(thoughts(request.model, request.turns)))
        pause = 1 / (request.tokens_per_second or TOKENS_PER_SECOND)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        events: list[StreamEvent] = [*map(Reasoning, thought), *map(Text, said)]
        for index, event in enumerate(events, start=1):
            # Against the clock and not by the piece, so that small delays do not add up.
            await asyncio.sleep(begun + index * pause - loop.time())
            yield event
        tokens_in = sum(len(_PIECE.findall(turn.content)) for turn in request.turns)
        yield Usage(tokens_in=tokens_in, tokens_out=len(events), tokens_reasoning=len(thought) or None)
        yield Finish(FinishReason.STOP if said == pieces else FinishReason.LENGTH)

    async def aclose(self) -> None:
        """There is nothing to give back."""
