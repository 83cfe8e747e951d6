"""Real SDKs against the local server that speaks both wires."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from tests.wire import WireServer
from workers.providers import open_provider
from workers.providers.base import Provider, ProviderError, Reach, Reasoning, Request, StreamEvent, Text, Turn

KEY = "sk-canary-7Q"
NAME = "Vendor & Sons"


@dataclass
class Asking:
    """One provider, and short ways to ask it."""

    provider: Provider
    wire: WireServer
    kind: str

    async def events(self, model: str, *turns: Turn, **fields: Any) -> list[StreamEvent]:
        return [event async for event in self.provider.stream(request(model, *turns, **fields))]

    async def text(self, model: str, *turns: Turn) -> str:
        return said(await self.events(model, *turns))

    async def failure(self, model: str, **fields: Any) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await self.events(model, **fields)
        return caught.value

    async def before_failure(self, model: str) -> tuple[list[StreamEvent], ProviderError]:
        events: list[StreamEvent] = []

        async def collect() -> None:
            async for event in self.provider.stream(request(model)):
                events.append(event)  # noqa: PERF401 -- kept although it raises

        with pytest.raises(ProviderError) as caught:
            await collect()
        return events, caught.value


def request(model: str, *turns: Turn, **fields: Any) -> Request:
    return Request(model, turns or (Turn("user", "Why?"),), fields.pop("max_output_tokens", 64), **fields)


def said(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def thought(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Reasoning))


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    async with WireServer() as server:
        yield server


@pytest.fixture
async def asking(wire: WireServer, request: pytest.FixtureRequest) -> AsyncIterator[Asking]:
    """A provider of the kind that the test's module names, or of the one that a parameter names."""
    kind = getattr(request, "param", None) or request.module.KIND
    base_url = wire.anthropic_url if kind == "anthropic" else wire.openai_url
    provider = open_provider(Reach(NAME, kind, base_url, KEY))
    async with aclosing(provider):
        yield Asking(provider, wire, kind)
