"""The text that is being streamed right now, kept in Redis so that a late reader has it before the next checkpoint.

Each text is a byte string at a key of its own and each piece is written at its offset (``SETRANGE``), so a piece that
is written twice does no harm. If Redis lost what came before, it pads the hole with NUL, which no clean text holds: a
reader sees that and takes the front from the database.
"""

from datetime import timedelta
from typing import cast
from uuid import UUID

from threads.connections import LOST, REDIS, sync_client
from threads.replies import Command

KEEP = timedelta(hours=1)
"""Long enough for any generation; the text itself is in the database by then."""


def key(text_id: UUID | str, attempt: int) -> str:
    """Where one attempt's text lies: a new attempt starts from an empty text."""
    return f"polyphony:live:{text_id}:{attempt}"


def reasoning_key(text_id: UUID | str, attempt: int) -> str:
    """Where the thoughts before an attempt's text lie."""
    return f"{key(text_id, attempt)}:reasoning"


def append(name: str, offset: int, text: bytes) -> Command:
    """Writes a piece at its offset in bytes."""
    return "SETRANGE", name, offset, text


def keep(name: str) -> Command:
    """Lets a text be forgotten :data:`KEEP` from now. A Redis that lost it has no such end for what comes after."""
    return "EXPIRE", name, int(KEEP.total_seconds())


def read(stored: dict[str, str]) -> dict[str, str]:
    """For each key the longer of what the database has (``stored``) and what Redis has streamed since.

    With Redis away, what the database has.
    """
    if not stored:
        return {}
    try:
        with REDIS.trying():
            found = cast(list[bytes | None], sync_client().mget(list(stored)))
    except LOST:
        return stored
    return {name: _longer(stored[name], live or b"") for name, live in zip(stored, found, strict=True)}


def _longer(stored: str, live: bytes) -> str:
    front = stored.encode()
    tail = live[len(front) :]
    if not tail or b"\x00" in tail:
        return stored
    return (front + tail).decode(errors="ignore")
