"""How each vendor says the same things, as server-sent events."""

import json
from typing import Any, ClassVar, Protocol

from tests.wire.errors import anthropic_error, openai_error


def event(data: dict[str, Any], name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class Dialect(Protocol):
    """One vendor's words."""

    name: str

    def start(self) -> bytes: ...
    def text(self, piece: str) -> bytes: ...
    def reasoning(self, piece: str) -> bytes: ...
    def refusal(self, piece: str) -> bytes: ...
    def nothing(self) -> bytes: ...
    def ping(self) -> bytes: ...
    def finish(self, reason: str) -> bytes: ...
    def usage(self) -> bytes: ...
    def end(self) -> bytes: ...
    def error(self, kind: str, message: str = ...) -> dict[str, Any]: ...
    def error_event(self, kind: str) -> bytes: ...


class OpenAIDialect:
    """Chat completions."""

    name = "openai"
    _reasons: ClassVar = {"filtered": "content_filter", "refusal": "stop", "tool": "tool_calls"}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return event({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})

    def start(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def text(self, piece: str) -> bytes:
        return self._chunk({"content": piece})

    def reasoning(self, piece: str) -> bytes:
        return self._chunk({"reasoning_content": piece})

    def refusal(self, piece: str) -> bytes:
        return self._chunk({"refusal": piece})

    def nothing(self) -> bytes:
        return event({"choices": []}) + event({"choices": [{"index": 0, "delta": None}]}) + event({"id": "c1"})

    def ping(self) -> bytes:
        return b": keep-alive\n\n"

    def finish(self, reason: str) -> bytes:
        return self._chunk({}, self._reasons.get(reason, reason))

    def usage(self) -> bytes:
        counts = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        details = {"prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}}
        return event({"choices": [], "usage": counts | details})

    def end(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, kind: str, message: str = "It failed.") -> dict[str, Any]:
        return openai_error(kind, message)

    def error_event(self, kind: str) -> bytes:
        return event(openai_error(kind))


class AnthropicDialect:
    """Messages."""

    name = "anthropic"
    _reasons: ClassVar = {"stop": "end_turn", "length": "max_tokens", "filtered": "refusal", "tool": "tool_use"}

    def _event(self, type_: str, **fields: Any) -> bytes:
        return event({"type": type_, **fields}, type_)

    def _delta(self, **delta: Any) -> bytes:
        return self._event("content_block_delta", index=0, delta=delta)

    def start(self) -> bytes:
        usage = {"input_tokens": 8, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 0, "output_tokens": 1}
        message = {"id": "m1", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": usage}
        block = {"type": "text", "text": ""}
        return self._event("message_start", message=message) + self._event(
            "content_block_start", index=0, content_block=block
        )

    def text(self, piece: str) -> bytes:
        return self._delta(type="text_delta", text=piece)

    def reasoning(self, piece: str) -> bytes:
        return self._delta(type="thinking_delta", thinking=piece) + self._delta(type="signature_delta", signature="x")

    def refusal(self, piece: str) -> bytes:
        return self.text(piece)

    def nothing(self) -> bytes:
        return self._event("content_block_delta", index=0) + self._event("invented_tomorrow") + self.ping()

    def ping(self) -> bytes:
        return self._event("ping")

    def finish(self, reason: str) -> bytes:
        delta = {"stop_reason": self._reasons.get(reason, reason), "stop_sequence": None}
        return self._event("content_block_stop", index=0) + self._event("message_delta", delta=delta)

    def usage(self) -> bytes:
        counts = {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 2}}
        return self._event("message_delta", delta={}, usage=counts)

    def end(self) -> bytes:
        return self._event("message_stop")

    def error(self, kind: str, message: str = "It failed.") -> dict[str, Any]:
        return anthropic_error(kind, message)

    def error_event(self, kind: str) -> bytes:
        return event(anthropic_error(kind), "error")
