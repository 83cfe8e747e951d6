"""A circuit breaker: when something outside does not answer, one caller finds out and the others need not."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds in which nobody tries again. Long against the timeouts of those who try, so that few of them ever wait, and
short against the 5 s after which a page asks for what it missed."""


class NotTried(Exception):
    """It did not answer a moment ago, so this call did not wait for it."""


class Breaker:
    """Whether something outside is worth waiting for, as the callers of this process have found; for threads and loops.

    While it answers, every call goes through. After a failure none does for :data:`PAUSE` seconds; then one may try,
    and its answer opens the way for all. Each change is one line in the log.
    """

    def __init__(self, name: str, *failures: type[Exception], clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._failures = failures
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Know nothing of the past."""
        self._away_since: float | None = None
        self._next_try = 0.0

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Around one call.

        Raises:
            NotTried: it was away a moment ago.
        """
        self._ask()
        try:
            yield
        except self._failures as error:
            self._failed(error)
            raise
        except Exception:  # it said no, and that is an answer
            self._answered()
            raise
        else:
            self._answered()

    def _ask(self) -> None:
        with self._lock:
            if self._away_since is None:
                return
            now = self._clock()
            if now < self._next_try:
                raise NotTried(f"{self._name} did not answer a moment ago")
            self._next_try = now + PAUSE  # this caller tries, the others wait for what it finds

    def _failed(self, error: Exception) -> None:
        with self._lock:
            now, first = self._clock(), self._away_since is None
            self._next_try = now + PAUSE
            if first:
                self._away_since = now
        if first:
            logger.warning("%s does not answer (%s); until it does, nobody waits for it", self._name, _cause(error))

    def _answered(self) -> None:
        if self._away_since is None:
            return
        with self._lock:
            since, self._away_since = self._away_since, None
        if since is not None:
            logger.warning("%s answers again after %.0f s", self._name, self._clock() - since)


def _cause(error: Exception) -> str:
    """What went wrong, without its text: that may name a password."""
    return type(error.__cause__ or error).__name__
