"""The seam between a run and a vendor. No Django and no other part of ours is known here.

A provider turns one :class:`Request` into an asynchronous stream of events: text, reasoning and usage as they come,
then exactly one :class:`Finish`. A stream that ends without its finish marker is a failure, not an answer: both SDKs
end a truncated stream as if it were whole. Every exception of a vendor ends at its provider's edge as a
:class:`ProviderError`.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation that a model is given."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of one model."""

    model: str
    """The vendor's own name of the model."""
    turns: tuple[Turn, ...]
    max_output_tokens: int
    connect_timeout: float = 5.0
    """Seconds."""
    tokens_per_second: float | None = None
    """The pace of a scripted model; real ones set their own."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer: never empty, never NUL or half of a character."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what a model thinks aloud before it answers; cleaned like :class:`Text`."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens so far, as the vendor counts them; a later one replaces an earlier one."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    """It had said what it wanted."""
    LENGTH = "length"
    """It reached its limit of tokens: the text is cut."""
    REFUSAL = "refusal"
    """The model or the vendor's filter declined."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of a stream."""

    reason: FinishReason


StreamEvent = Text | Reasoning | Usage | Finish


class Retry(StrEnum):
    """Whether trying again can help."""

    NEVER = "never"
    ONCE = "once"
    BACKOFF = "backoff"


class ErrorCode(StrEnum):
    """What went wrong at a provider; the same word in the database, the API and the page."""

    AUTH = "auth"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    CONNECTION = "connection"
    PROTOCOL = "protocol"
    TIMEOUT = "timeout"
    """It said nothing for too long."""
    TOO_SLOW = "too_slow"
    """It spoke, but did not come to an end in time; another attempt would not either."""
    NOT_FOUND = "not_found"
    TOO_LONG = "too_long"
    REJECTED = "rejected"


_RETRY = {
    ErrorCode.RATE_LIMITED: Retry.BACKOFF,
    ErrorCode.OVERLOADED: Retry.BACKOFF,
    ErrorCode.UNAVAILABLE: Retry.BACKOFF,
    ErrorCode.CONNECTION: Retry.BACKOFF,
    ErrorCode.PROTOCOL: Retry.ONCE,
    ErrorCode.TIMEOUT: Retry.ONCE,
}


class ProviderError(Exception):
    """A generation that did not come to its end.

    ``message`` is a sentence for a person: what happened and what can be done. It never holds a key or a vendor's body.
    """

    def __init__(self, code: ErrorCode, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after
        """Seconds that the vendor asks to wait."""

    @property
    def retry(self) -> Retry:
        """Whether trying again can help."""
        return _RETRY.get(self.code, Retry.NEVER)


@dataclass(frozen=True, slots=True)
class Reach:
    """How a provider is reached."""

    name: str
    """What people call it; shown in errors."""
    kind: str
    base_url: str = ""
    """Empty for the vendor's own address."""
    api_key: str = field(default="", repr=False)


class Provider(Protocol):
    """One vendor behind one address and key. It belongs to the event loop in which it was made."""

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        """Ask one model.

        Closing the iterator closes the connection to the vendor. Time is not watched here, only the connecting.

        Raises:
            ProviderError: the vendor refused, broke off, or said something that is no answer.
        """
        ...

    async def aclose(self) -> None:
        """Give back the connections."""
        ...
