"""The texts that the server's models answer with."""

import json
import re
from typing import Any

_PIECES = ("Answer ", "of ", "", ": naïve ", "😀 ", "👩\u200d👩\u200d👧 ", "𝒜stral ", "日本語 ", "e\u0301nd", ".\n\n")
_PACED = re.compile(r"(?:ok|count|tell)-(\d+)x(\d+)ms")


def answer_pieces(model: str) -> list[str]:
    """The text of ``ok`` and of all that answer like it, in the pieces in which it is sent."""
    return [piece or model for piece in _PIECES]


def answer_text(model: str) -> str:
    """The whole text with which ``ok`` (or ``ok@a``) answers."""
    return "".join(answer_pieces(model))


def paced_pieces(model: str, request: int = 0) -> list[str]:
    """The pieces of ``ok-20x10ms``; those of ``count-20x10ms`` for its request of this number."""
    number, _ = pace(model)
    before = f"{request}:" if request else ""
    return [f"[{before}{index}]😀 " for index in range(number)]


def paced_text(model: str, request: int = 0) -> str:
    """The whole text with which ``ok-20x10ms`` answers."""
    return "".join(paced_pieces(model, request))


def pace(model: str) -> tuple[int, float]:
    """How many pieces, and the seconds between them."""
    match = _PACED.match(model)
    if not match:
        raise ValueError(model)
    return int(match[1]), int(match[2]) / 1000


def echoed(body: dict[str, Any]) -> str:
    """The turns of a request as JSON, in one form for both wires."""
    system = [{"role": "system", "content": body["system"]}] if "system" in body else []
    return json.dumps([*system, *body["messages"]], ensure_ascii=False)
