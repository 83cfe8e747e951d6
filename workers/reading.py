"""One model's answer read from its provider, with our own clocks: neither SDK nor pool watches them for us."""

import asyncio
import threading
from contextlib import aclosing
from dataclasses import dataclass, field

from django.conf import settings

from runs.actions import Prompt, Thoughts
from workers.providers import open_provider
from workers.providers.base import (
    ErrorCode,
    Finish,
    FinishReason,
    Provider,
    ProviderError,
    Reach,
    Reasoning,
    Request,
    Text,
    Usage,
)
from workers.pushing import GrowingText

_SLACK = 0.1
"""By how much of itself a silence may be found out later than it is over."""
_providers: dict[tuple[asyncio.AbstractEventLoop, Reach], Provider] = {}


@dataclass(slots=True)
class Reading:
    """An answer while it comes in."""

    reach: Reach
    request: Request
    text: GrowingText
    total_timeout: float
    """Seconds for the whole answer."""
    usage: Usage = field(default_factory=Usage)
    first_text_after: float | None = None
    """Seconds from the request to the first piece of text."""
    asked: threading.Event = field(default_factory=threading.Event)
    """The request is on its way, or a connection for it."""
    first_thought_after: float | None = None
    """Seconds from the request to the first thought, of a model that thinks aloud."""
    thought_for: float | None = None
    """Seconds from the first thought to the answer, or to the end if none came."""
    prompt_saved: bool = False
    """The row has what was sent."""

    @property
    def thoughts(self) -> Thoughts:
        """What the model has thought aloud so far."""
        return Thoughts(self.text.thoughts_so_far(), shortened=self.text.shortened, seconds=self.thought_for)

    @property
    def unsaved_prompt(self) -> Prompt | None:
        """Exactly what was sent, as long as the row does not have it: it goes with whatever is saved next."""
        if self.prompt_saved:
            return None
        return [{"role": turn.role, "content": turn.content} for turn in self.request.turns]

    async def run(self) -> FinishReason:
        """Read to the end; what has come stands in ``text`` and ``usage`` at any time.

        Raises:
            ProviderError: there is no whole answer, also because it took too long.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        end = begun + self.total_timeout
        silence, longest = settings.IDLE_TIMEOUT, settings.OUTPUT_MAX_CHARS
        set_again = begun
        self.text.begin()
        loop.call_soon(self.asked.set)  # when this coroutine waits for the first time
        try:
            async with asyncio.timeout_at(min(end, begun + settings.FIRST_TOKEN_TIMEOUT)) as clock:
                async with aclosing(_provider(self.reach).stream(self.request)) as events:
                    async for event in events:
                        if isinstance(event, Finish):
                            return self._finished(event.reason)
                        if isinstance(event, Usage):
                            self.usage = event
                            continue
                        now = loop.time()
                        if now >= set_again:  # not for each piece: to set a clock costs as much as to read one
                            set_again = now + silence * _SLACK
                            clock.reschedule(min(end, set_again + silence))
                        if isinstance(event, Text):
                            self._add(event, now - begun)
                            if self.text.length >= longest:
                                return self._finished(FinishReason.LENGTH)
                        elif isinstance(event, Reasoning):
                            self._think(event, now - begun)
        except TimeoutError:
            raise (self._too_slow() if loop.time() >= end else self._silent()) from None
        finally:
            self._answer_begins(loop.time() - begun)
            self.text.finish()
        raise ProviderError(ErrorCode.PROTOCOL, f"{self.reach.name} broke off before the end of its answer.")

    def _add(self, event: Text, after: float) -> None:
        if self.first_text_after is None:
            self.first_text_after = after
            self._answer_begins(after)
        self.text.append(event.text)

    def _think(self, event: Reasoning, after: float) -> None:
        if self.first_thought_after is None:
            self.first_thought_after = after
        self.text.think(event.text)

    def _answer_begins(self, after: float) -> None:
        """The thinking is over, if there was any."""
        if self.first_thought_after is not None and self.thought_for is None:
            self.thought_for = after - self.first_thought_after

    def _finished(self, reason: FinishReason) -> FinishReason:
        if reason != FinishReason.REFUSAL and not self.text.so_far().strip():
            raise ProviderError(ErrorCode.PROTOCOL, f"{self.reach.name} ended its answer without any text.")
        return reason

    def _too_slow(self) -> ProviderError:
        took = f"{self.reach.name} took longer than {self.total_timeout:.0f} seconds."
        return ProviderError(ErrorCode.TOO_SLOW, f"{took} Ask for something shorter, or choose a faster model.")

    def _silent(self) -> ProviderError:
        name = self.reach.name
        if self.first_text_after is None:
            seconds = settings.FIRST_TOKEN_TIMEOUT
            sentence = f"{name} said nothing for {seconds:.0f} seconds. Try again, or choose another model."
        else:
            sentence = f"{name} fell silent for {settings.IDLE_TIMEOUT:.0f} seconds in mid-answer. Try again."
        return ProviderError(ErrorCode.TIMEOUT, sentence)


def _provider(reach: Reach) -> Provider:
    """The provider of this address and key in the running loop; made once, since its connections are kept."""
    key = (asyncio.get_running_loop(), reach)
    if key not in _providers:
        _providers[key] = open_provider(reach)
    return _providers[key]


async def open_early(reaches: list[Reach]) -> None:
    """Make providers before anybody waits for them: importing an SDK would hold up every other stream."""
    for reach in reaches:
        _provider(reach)
