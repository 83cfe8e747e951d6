"""What the providers that reach a vendor through its SDK have in common.

The SDK keeps keys, connections and HTTP statuses. The body is read here as bytes: the SDKs' own stream objects cost two
to four times the CPU per token, take a cut stream for a whole one, and let exceptions of four libraries through.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import Protocol

import httpx2

from workers.providers import transport
from workers.providers.answer import Answer
from workers.providers.base import ErrorCode, ProviderError, Reach, Request, StreamEvent
from workers.providers.failures import code_of_error, code_of_refusal, failure, protocol_failure
from workers.providers.opening import Opening
from workers.providers.sse import EventDecoder, MalformedStreamError, ServerEvent
from workers.providers.waiting import retry_after

DRAIN_SECONDS = 0.2
"""How long the end of a body is waited for after the answer's end, so that its connection can be used again."""


class RawResponse(Protocol):
    """The body of a response, as both SDKs give it."""

    def iter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The body as it comes in, decompressed."""
        ...


class StatusError(Protocol):
    """What both SDKs raise for an HTTP error status."""

    body: object
    response: httpx2.Response


class AnswerDecoder(ABC):
    """One vendor's events, read into an answer."""

    over = False
    """The vendor has said that nothing more will come."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer = Answer()

    @abstractmethod
    def decode(self, event: ServerEvent) -> Iterator[StreamEvent]:
        """What an event adds.

        Raises:
            ProviderError: it tells of a failure.
            MalformedStreamError: it is nothing that this vendor says.
        """

    def failed(self, body: object) -> ProviderError:
        """The failure that an error among the events means."""
        return failure(code_of_error(body), self.name)


class VendorProvider(ABC):
    """A provider that reads a vendor's stream; its vendor says how to ask and how to decode."""

    needs_key = True
    refused: type[Exception]
    """What the SDK raises for an HTTP error status; a :class:`StatusError`."""
    unreachable: type[Exception]
    """What the SDK raises for a connection that fails."""

    def __init__(self, reach: Reach, base_url: str) -> None:
        self.name = reach.name
        self.key = reach.api_key.strip()
        self._has_address = transport.is_address(base_url)
        # A wrong address is told to whoever asks and not here: it must not keep a worker from starting.
        self.base_url = base_url if self._has_address else "http://unusable.invalid"

    @abstractmethod
    def ask(self, request: Request) -> AbstractAsyncContextManager[RawResponse]:
        """Send the request; leaving the context closes the connection unless its body is read to the end."""

    @abstractmethod
    def decoder(self) -> AnswerDecoder:
        """A decoder for one answer."""

    @abstractmethod
    async def aclose(self) -> None:
        """Give back the connections."""

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        """Ask one model; see :meth:`workers.providers.base.Provider.stream`."""
        self._check_reach()
        decoder = self.decoder()
        answering = False
        try:
            async with self.ask(request) as response:
                answering = True
                async with aclosing(self._read(response, decoder)) as events:
                    async for event in events:
                        yield event
        except MalformedStreamError:
            raise failure(ErrorCode.PROTOCOL, self.name) from None
        except self.refused as error:
            raise self._refusal(error) from None  # type: ignore[arg-type]  # as its docstring says
        except (self.unreachable, *transport.BROKEN) as error:
            raise transport.broken(self.name, error, answering=answering) from None

    async def _read(self, response: RawResponse, decoder: AnswerDecoder) -> AsyncGenerator[StreamEvent, None]:
        events, opening = EventDecoder(), Opening()
        async with aclosing(response.iter_bytes()) as chunks:  # type: ignore[type-var]  # both are generators
            try:
                async for chunk in chunks:
                    opening.add(chunk)
                    for event in self._decoded(events.feed(chunk), decoder, opening):
                        yield event
                    if decoder.over:
                        break
            except transport.BROKEN:
                # The answer is whole: how its connection ends does not matter.
                if not decoder.answer.stopped:
                    raise
            for event in self._decoded(events.end(), decoder, opening):
                yield event
            opening.check(self.name)
            await _drain(chunks)
        for event in decoder.answer.end(self.name):
            yield event

    def _decoded(
        self, events: Iterator[ServerEvent], decoder: AnswerDecoder, opening: Opening
    ) -> Iterator[StreamEvent]:
        for event in events:
            opening.saw_event()
            if not decoder.over:
                yield from decoder.decode(event)

    def _refusal(self, error: StatusError) -> ProviderError:
        status = error.response.status_code
        if 300 <= status < 400:
            return protocol_failure(self.name, "answers from another address, and redirects are not followed.")
        wait = retry_after(error.response.headers)
        return failure(code_of_refusal(status, error.body), self.name, retry_after=wait)

    def _check_reach(self) -> None:
        if not self._has_address:
            raise ProviderError(
                ErrorCode.CONNECTION, f"The address of {self.name} is not one. It must begin with http:// or https://."
            )
        if self.needs_key and not self.key:
            raise ProviderError(ErrorCode.AUTH, f"There is no key for {self.name}. Set it in the settings and restart.")
        if not (self.key.isascii() and self.key.isprintable()):
            raise failure(ErrorCode.AUTH, self.name)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    with suppress(TimeoutError, *transport.BROKEN):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
