"""Servers that speak OpenAI's chat completions: Ollama, vLLM, llama.cpp, gateways, other vendors.

All of them know ``max_tokens``; few know its successor, and some refuse a field that they do not know. So they are
asked in the old words, and when one refuses by naming a field, it is asked again at once, and this is remembered.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from openai import APIStatusError

from workers.providers.base import Reach, Request
from workers.providers.openai import OpenAIProvider
from workers.providers.vendor import RawResponse


@dataclass(frozen=True, slots=True)
class _Accepts:
    """What one model's server takes."""

    usage: bool = True
    limit: str = "max_tokens"


class CompatibleProvider(OpenAIProvider):
    """Models behind a compatible server, with or without a key."""

    needs_key = False

    def __init__(self, reach: Reach) -> None:
        super().__init__(reach)
        self._accepts: dict[str, _Accepts] = {}

    @asynccontextmanager
    async def ask(self, request: Request) -> AsyncIterator[RawResponse]:
        """Send the request, in the words that this server accepts."""
        async with AsyncExitStack() as stack:
            yield await self._asked(request, stack)

    async def _asked(self, request: Request, stack: AsyncExitStack) -> RawResponse:
        while True:
            asked_with = self._accepted(request)
            try:
                return await stack.enter_async_context(super().ask(request))
            except APIStatusError as error:
                learned = _learned(asked_with, error)
                if learned == asked_with:
                    raise
                self._accepts[request.model] = learned

    def options(self, request: Request) -> dict[str, object]:
        """The fields in which the servers of this wire differ."""
        accepts = self._accepted(request)
        options: dict[str, object] = {accepts.limit: request.max_output_tokens}
        if accepts.usage:
            options["stream_options"] = {"include_usage": True}
        return options

    def _accepted(self, request: Request) -> _Accepts:
        return self._accepts.get(request.model, _Accepts())


def _learned(accepts: _Accepts, error: APIStatusError) -> _Accepts:
    """What a refusal that names a field teaches; nothing new if it names none."""
    if error.status_code not in {400, 422}:
        return accepts
    complaint = json.dumps(error.body, default=str)
    if "stream_options" in complaint:
        return replace(accepts, usage=False)
    if "max_completion_tokens" in complaint:
        return replace(accepts, limit="max_completion_tokens")
    return accepts
