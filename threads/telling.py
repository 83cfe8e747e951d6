"""What was written is told to the sockets once it is committed: at once, or after what somebody waits for."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from threads import channel
from threads.events import Event

logger = logging.getLogger(__name__)

Make = Callable[[], Event]


class _Gathered(threading.local):
    words: list[tuple[UUID, Make]] | None = None
    """By thread of a conversation; ``None`` while this thread of the process tells everything at once."""


_gathered = _Gathered()


@contextmanager
def telling_later() -> Iterator[None]:
    """Within the context what is to be told waits for :func:`tell_now`, or for the end of the outermost context.

    To make an event takes queries, and whoever waits for the next step need not wait for them.
    """
    if _gathered.words is not None:
        yield
        return
    _gathered.words = []
    try:
        yield
    finally:
        tell_now()


def tell_now() -> None:
    """Tell what waits, in its order and as one frame a thread, and from now on everything at once."""
    words, _gathered.words = _gathered.words or [], None
    frames: dict[UUID, list[Event]] = {}
    for thread_id, make in words:
        with _logged():
            event = make()
            frames.setdefault(thread_id, []).append(event)
    for thread_id, events in frames.items():
        with _logged():
            channel.send(thread_id, *events)


def tell_on_commit(thread_id: UUID, make: Make) -> None:
    """Make the event after the commit, from what then stands in the database, and send it."""
    transaction.on_commit(lambda: _tell(thread_id, make), robust=True)


@contextmanager
def _logged() -> Iterator[None]:
    """As after any commit: what was done is done, and a client that misses a word asks."""
    try:
        yield
    except Exception:
        logger.exception("A word to the sockets of a thread was not said")


def _tell(thread_id: UUID, make: Make) -> None:
    if _gathered.words is None:
        channel.send(thread_id, make())
    else:
        _gathered.words.append((thread_id, make))
