"""What all streams of this process have read so far, saved once a second by one thread in a few statements.

Each text in a thread, a connection and a statement of its own would cost more than the streaming itself.
"""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from runs import actions
from runs.actions import NO_THOUGHTS, Claim, Hold, Progress, Thoughts
from threads.database import AWAY
from workers.reading import Reading

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Saved:
    """One stream, and what its claim is worth as of the last look."""

    held: Claim
    reading: Reading
    future: "Future[Any]"
    hold: Hold = Hold.KEPT
    thoughts: Thoughts = NO_THOUGHTS
    """What was saved of them last."""


class Saver:
    """Keeps the leases of its streams; one whose claim is lost or stopped is cancelled."""

    def __init__(self) -> None:
        self._open: set[Saved] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def open(self) -> int:
        """How many streams this process has now."""
        return len(self._open)

    @contextmanager
    def saving(self, held: Claim, reading: Reading, future: "Future[Any]") -> Iterator[Saved]:
        """Save what is read, and renew its lease, as long as the context lasts."""
        saved = Saved(held, reading, future)
        with self._changed:
            self._open.add(saved)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="saver", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield saved
        finally:
            with self._changed:
                self._open.discard(saved)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._open)
            time.sleep(settings.CHECKPOINT_SECONDS)
            with self._changed:
                streams = [saved for saved in self._open if saved.hold is Hold.KEPT]
            if not self._tried(streams):
                for saved in streams:  # one of them may be to blame, and the others must not lose their leases for it
                    self._tried([saved])

    def _tried(self, streams: list[Saved]) -> bool:
        """Save these. Returns whether trying them one by one would be no use: a database that is away is so for all."""
        try:
            with closing(connection):
                self._save({saved.held: saved for saved in streams})
        except AWAY as error:
            logger.warning("%d texts were not saved; it is tried again: %s", len(streams), type(error).__name__)
        except Exception:
            logger.exception("%d texts were not saved; it is tried again", len(streams))
            return False
        return True

    def _save(self, streams: dict[Claim, Saved]) -> None:
        progress = {held: _progress(saved) for held, saved in streams.items()}
        for held, hold in actions.checkpoint_all(progress).items():
            saved = streams[held]
            if hold is Hold.KEPT:
                saved.reading.prompt_saved = True
                saved.thoughts = progress[held].thoughts or saved.thoughts
            elif hold is not Hold.BUSY:
                saved.hold = hold
                saved.future.cancel()


def _progress(saved: Saved) -> Progress:
    thoughts = saved.reading.thoughts
    news = thoughts if thoughts != saved.thoughts else None
    return Progress(saved.reading.text.so_far(), news, saved.reading.unsaved_prompt)


saver = Saver()
"""The one of this process."""
