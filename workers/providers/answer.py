"""What every vendor's answer comes down to: cleaned text, cleaned thoughts, counts, and one finish."""

import json
from collections.abc import Iterator
from typing import Any

from workers.providers.base import Finish, FinishReason, Reasoning, StreamEvent, Text
from workers.providers.cleaning import TextCleaner
from workers.providers.failures import protocol_failure
from workers.providers.sse import MalformedStreamError

_REASONS = {
    "stop": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "content_filter": FinishReason.REFUSAL,
    "refusal": FinishReason.REFUSAL,
}

COUNT_MAX = 2**31 - 1


class Answer:
    """The state of one answer while its events come in."""

    def __init__(self) -> None:
        self._text = TextCleaner()
        self._reasoning = TextCleaner()
        self._has_text = False
        self._refused = False
        self._stopped: str | None = None

    @property
    def stopped(self) -> bool:
        """The model has said why it stopped: the answer is whole."""
        return self._stopped is not None

    def text(self, piece: object) -> Iterator[StreamEvent]:
        """A piece of the answer, if it is one. What comes after the end does not count."""
        if isinstance(piece, str) and not self.stopped and (text := self._text.feed(piece)):
            self._has_text = True
            yield Text(text)

    def reasoning(self, piece: object) -> Iterator[StreamEvent]:
        """A piece of the thoughts, if it is one."""
        if isinstance(piece, str) and not self.stopped and (text := self._reasoning.feed(piece)):
            yield Reasoning(text)

    def refusal(self, piece: object) -> Iterator[StreamEvent]:
        """A piece of the words in which the model declines."""
        for event in self.text(piece):
            self._refused = True
            yield event

    def stop(self, reason: object) -> None:
        """The vendor's word for why the model stopped; the first one counts."""
        if isinstance(reason, str) and reason and self._stopped is None:
            self._stopped = reason

    def end(self, name: str) -> Iterator[StreamEvent]:
        """What was held back, and the finish.

        Raises:
            ProviderError: the stream ended before the model did.
        """
        if self._stopped is None:
            raise protocol_failure(name, "broke off before the end of its answer.")
        if thought := self._reasoning.end():
            yield Reasoning(thought)
        if text := self._text.end():
            self._has_text = True
            yield Text(text)
        yield Finish(self._reason(name))

    def _reason(self, name: str) -> FinishReason:
        if self._refused:
            return FinishReason.REFUSAL
        if reason := _REASONS.get(self._stopped or ""):
            return reason
        if self._has_text:
            # A word that is not known yet, or a call of a tool that nobody offered: the text before it is an answer.
            return FinishReason.STOP
        raise protocol_failure(name, "wanted to use a tool, which it was not offered, instead of answering.")


def decode_json(data: str) -> dict[str, Any]:
    """The object that an event carries.

    Raises:
        MalformedStreamError: it carries none.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedStreamError("an event is not JSON") from error
    if not isinstance(value, dict):
        raise MalformedStreamError("an event is not an object")
    return value


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one: vendors leave out and null at will."""
    return value if isinstance(value, dict) else {}


def count(value: object) -> int | None:
    """The value if it is a number of tokens; no text has more than a database's integer holds."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= COUNT_MAX else None
