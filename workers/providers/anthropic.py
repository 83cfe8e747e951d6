"""Anthropic, over messages."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from anthropic import APIConnectionError, APIStatusError, AsyncAnthropic, DefaultAioHttpClient, omit
from anthropic.types import MessageParam

from workers.providers import transport
from workers.providers.answer import count, decode_json, mapping
from workers.providers.base import Reach, Request, StreamEvent, Usage
from workers.providers.cleaning import clean
from workers.providers.sse import ServerEvent
from workers.providers.vendor import AnswerDecoder, RawResponse, VendorProvider

BASE_URL = "https://api.anthropic.com"


class AnthropicProvider(VendorProvider):
    """Models of Anthropic."""

    refused = APIStatusError
    unreachable = APIConnectionError

    def __init__(self, reach: Reach) -> None:
        # The SDK adds /v1 itself; people often write it, as every other vendor's address ends so.
        super().__init__(reach, reach.base_url.rstrip("/").removesuffix("/v1") or BASE_URL)
        self._client = _new_client(self.key, self.base_url)

    def ask(self, request: Request) -> AbstractAsyncContextManager[RawResponse]:
        """Send the request. No temperature: newer models refuse it."""
        system = "\n\n".join(clean(turn.content) for turn in request.turns if turn.role == "system")
        turns = [turn for turn in request.turns if turn.role != "system"]
        messages = [{"role": turn.role, "content": clean(turn.content)} for turn in turns]
        return self._client.messages.with_streaming_response.create(
            model=request.model,
            max_tokens=request.max_output_tokens,
            system=system or omit,
            messages=cast("list[MessageParam]", messages),
            stream=True,
            timeout=transport.timeout(request.connect_timeout),
        )

    def decoder(self) -> AnswerDecoder:
        """A decoder for one answer."""
        return MessageDecoder(self.name)

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._client.close()


class MessageDecoder(AnswerDecoder):
    """The events of a message."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._counts: dict[str, Any] = {}

    def decode(self, event: ServerEvent) -> Iterator[StreamEvent]:
        """What an event adds; kinds that are not known are passed over, as Anthropic asks of its clients."""
        data = decode_json(event.data)
        match data.get("type"):
            case "content_block_start":
                yield from self._content(mapping(data.get("content_block")))
            case "content_block_delta":
                yield from self._content(mapping(data.get("delta")))
            case "message_start":
                yield from self._usage(mapping(data.get("message")).get("usage"))
            case "message_delta":
                self.answer.stop(mapping(data.get("delta")).get("stop_reason"))
                yield from self._usage(data.get("usage"))
            case "message_stop":
                self.over = True
            case "error":
                raise self.failed(data)

    def _content(self, block: dict[str, Any]) -> Iterator[StreamEvent]:
        match block.get("type"):
            case "text" | "text_delta":
                yield from self.answer.text(block.get("text"))
            case "thinking" | "thinking_delta":
                yield from self.answer.reasoning(block.get("thinking"))

    def _usage(self, usage: object) -> Iterator[StreamEvent]:
        """Counts are cumulative, and a later event repeats only some of them."""
        self._counts |= {name: value for name, value in mapping(usage).items() if value is not None}
        if not mapping(usage):
            return
        details = mapping(self._counts.get("output_tokens_details"))
        yield Usage(
            tokens_in=self._tokens_in(),
            tokens_out=count(self._counts.get("output_tokens")),
            tokens_cached=count(self._counts.get("cache_read_input_tokens")),
            tokens_reasoning=count(details.get("thinking_tokens")),
        )

    def _tokens_in(self) -> int | None:
        """All that was read, as other vendors count it: Anthropic leaves the cached part out of ``input_tokens``."""
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        counts = [count(self._counts.get(name)) for name in names]
        return sum(tokens or 0 for tokens in counts) if counts[0] is not None else None


def _new_client(key: str, base_url: str) -> AsyncAnthropic:
    client = AsyncAnthropic(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        open_telemetry=False,
        http_client=transport.new_client(DefaultAioHttpClient),
    )
    # The constructor takes these from the environment, and no argument says "none".
    client._custom_headers = {}
    return client
