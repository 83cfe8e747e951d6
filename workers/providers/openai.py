"""OpenAI, over chat completions: the one wire that it shares with every compatible server."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient, Omit

from workers.providers import transport
from workers.providers.answer import count, decode_json, mapping
from workers.providers.base import Reach, Request, StreamEvent, Usage
from workers.providers.cleaning import clean
from workers.providers.sse import ServerEvent
from workers.providers.vendor import AnswerDecoder, RawResponse, VendorProvider

BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider(VendorProvider):
    """Models of OpenAI."""

    refused = APIStatusError
    unreachable = APIConnectionError

    def __init__(self, reach: Reach) -> None:
        super().__init__(reach, reach.base_url or BASE_URL)
        self._client = _new_client(self.key, self.base_url)

    def ask(self, request: Request) -> AbstractAsyncContextManager[RawResponse]:
        """Send the request."""
        messages = [{"role": turn.role, "content": clean(turn.content)} for turn in request.turns]
        return self._client.chat.completions.with_streaming_response.create(
            model=request.model,
            messages=[],
            stream=True,
            timeout=transport.timeout(request.connect_timeout),
            extra_headers={} if self.key else {"Authorization": cast("str", Omit())},
            # The SDK leaves these alone. In an argument of their own it looks for names to change and finds none: 5 ms
            # with forty messages, and every other stream of the process stands still meanwhile.
            extra_body={"messages": messages, **self.options(request)},
        )

    def options(self, request: Request) -> dict[str, object]:
        """The fields in which the servers of this wire differ."""
        return {"max_completion_tokens": request.max_output_tokens, "stream_options": {"include_usage": True}}

    def decoder(self) -> AnswerDecoder:
        """A decoder for one answer."""
        return ChatDecoder(self.name)

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._client.close()


class ChatDecoder(AnswerDecoder):
    """The chunks of a chat completion."""

    def decode(self, event: ServerEvent) -> Iterator[StreamEvent]:
        """What a chunk adds; one without choices may still carry the counts."""
        if event.data.strip() == "[DONE]":
            self.over = True
            return
        chunk = decode_json(event.data)
        if chunk.get("error") or event.name == "error":
            raise self.failed(chunk)
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            yield from self._choice(mapping(choice))
        if usage := mapping(chunk.get("usage")):
            yield _usage(usage)

    def _choice(self, choice: dict[str, Any]) -> Iterator[StreamEvent]:
        if choice.get("index", 0) != 0:
            return  # a second answer, which was not asked for
        delta = mapping(choice.get("delta"))
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            yield from self.answer.reasoning(thought)
        if text := delta.get("content"):
            yield from self.answer.text(text)
        if refusal := delta.get("refusal"):
            yield from self.answer.refusal(refusal)
        self.answer.stop(choice.get("finish_reason"))


def _usage(usage: dict[str, Any]) -> Usage:
    return Usage(
        tokens_in=count(usage.get("prompt_tokens")),
        tokens_out=count(usage.get("completion_tokens")),
        tokens_cached=count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
        tokens_reasoning=count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _new_client(key: str, base_url: str) -> AsyncOpenAI:
    client = AsyncOpenAI(
        api_key=key,
        admin_api_key="",
        base_url=base_url,
        max_retries=0,
        http_client=transport.new_client(DefaultAioHttpClient),
    )
    # The constructor takes these from the environment, and no argument says "none".
    client.organization = client.project = None
    client._custom_headers = {}
    return client
