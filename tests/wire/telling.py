"""Answers whose every piece says where it comes from: the prompt, the part, the model, the request, its own place.

So a text proves by itself that it is whole and that no two attempts are mixed in it. The prompt carries a word like
``#a1b2c3d4``; the pieces of the second request for the draft of ``tell-20x10ms@a`` then are
``[a1b2c3d4:candidate:a:2:0/20]😀 [a1b2c3d4:candidate:a:2:1/20]😀 …``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(r"#([0-9a-f]{8})\b")
_DRAFT = re.compile(r"<draft-[0-9a-f]{8} id=")
_HEAD = re.compile(r"\[([0-9a-f]{8}):(candidate|synthesis):(\w*):(\d+):0/(\d+)\]")


@dataclass(frozen=True)
class Source:
    """Where a text comes from."""

    token: str
    part: str
    """``candidate`` or ``synthesis``."""
    slot: str
    """What stands behind the ``@`` of the model's name."""
    request: int
    """1 for the first request for this part of this prompt to this model."""

    def pieces(self, number: int) -> list[str]:
        """The whole answer in ``number`` pieces."""
        head = f"{self.token}:{self.part}:{self.slot}:{self.request}"
        return [f"[{head}:{index}/{number}]😀 " for index in range(number)]


def asked_for(body: dict[str, Any]) -> tuple[str, str]:
    """The token of a request's prompt (the last one, if several stand there) and which part is wanted."""
    asked = str(body["messages"][-1].get("content", "")) if body.get("messages") else ""
    tokens = TOKEN.findall(asked)
    return tokens[-1] if tokens else "", "synthesis" if _DRAFT.search(asked) else "candidate"


def source_of(text: str) -> tuple[Source, str] | None:
    """Where a text comes from by its first piece, and the whole answer that this source gave; ``None`` if unknown."""
    head = _HEAD.match(text)
    if not head:
        return None
    source = Source(head[1], head[2], head[3], int(head[4]))
    return source, "".join(source.pieces(int(head[5])))


def is_told(models: Iterable[str]) -> bool:
    """Whether all of these models answer in this way."""
    return all(model.partition(":")[2].startswith("tell-") for model in models)
