"""What all tasks of this process want of the database at one time, in one transaction: claims, and the ends of drafts.

When fifty people ask within a second, a transaction for each task would be what they wait for.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from django.db import connection

from runs import actions
from runs.actions import Claim, Ending
from runs.models import Generation
from threads.database import AWAY
from workers.saving import saver

logger = logging.getLogger(__name__)
Wish = TypeVar("Wish")
Result = TypeVar("Result")

PATIENCE = 1.0
"""Seconds. When somebody asks for longer, say over a connection that is dead, the next one asks beside it."""
DRAFT_PATIENCE = 3.0
"""Seconds. Whoever waits longer for the end of its draft ends it by itself, which is safe: a draft ends once. Nobody
does so with a claim, which might be given to nobody then; its row waits for the sweeper."""
GATHER_SECONDS_A_STREAM = 0.0001
"""How much longer than one after the other wishes are gathered for each stream of this process, up to
``GATHER_SECONDS``: alone a task waits for nobody, and among many it shares what a transaction costs."""
GATHER_SECONDS = 0.01


class _Waiting(Generic[Wish, Result]):
    """A task that waits for what it wants."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.woken = threading.Event()
        """It has its result, or it is its turn to ask for all."""
        self.result: Result | None = None


class Together(Generic[Wish, Result]):
    """Whoever comes first asks for all who came while somebody else was asking."""

    def __init__(
        self, meet: Callable[[Sequence[Wish]], Sequence[Result | None]], patience: float | None = None
    ) -> None:
        self._meet = meet
        self._patience = patience
        self._line: list[_Waiting[Wish, Result]] = []
        self._busy = False
        self._next_at = 0.0
        self._lock = threading.Lock()

    def ask(self, wish: Wish) -> Result | None:
        """The result; ``None`` where it cannot be had with those of others, so that the task must try by itself."""
        me: _Waiting[Wish, Result] = _Waiting(wish)
        # Who has a connection waits for nobody: whoever asks may be waiting for one.
        all_of_us = self._stand_in_line(me, take=connection.connection is not None)
        if not all_of_us:
            self._wait_for_my_turn(me)
            all_of_us = self._take(me)
        if all_of_us:
            self._ask_for(all_of_us)
        else:
            me.woken.wait(self._patience)
        return me.result

    def _stand_in_line(self, me: _Waiting[Wish, Result], *, take: bool) -> list[_Waiting[Wish, Result]]:
        with self._lock:
            self._line.append(me)
            if not self._busy:
                self._busy = True
                me.woken.set()
            return self._take_all() if take else []

    def _wait_for_my_turn(self, me: _Waiting[Wish, Result]) -> None:
        """Who has its result by then waits no longer."""
        me.woken.wait(PATIENCE)
        gap = self._next_at - time.monotonic()
        if gap > 0 and me in self._line:
            time.sleep(gap)

    def _take(self, me: _Waiting[Wish, Result]) -> list[_Waiting[Wish, Result]]:
        """All who stand in the line, if this one still does; nobody, if somebody asks for it already."""
        with self._lock:
            return self._take_all() if me in self._line else []

    def _take_all(self) -> list[_Waiting[Wish, Result]]:
        taken, self._line = self._line, []
        for each in taken:
            each.woken.clear()  # whose turn it was, it is not any more
        return taken

    def _ask_for(self, taken: list[_Waiting[Wish, Result]]) -> None:
        try:
            for each, result in zip(taken, self._meet([each.wish for each in taken]), strict=True):
                each.result = result
        except AWAY:
            pass  # each of them tries by itself, and says it
        except Exception:
            logger.exception("%d wishes were not met together", len(taken))
        finally:
            self._wake(taken)

    def _wake(self, taken: list[_Waiting[Wish, Result]]) -> None:
        with self._lock:
            self._next_at = time.monotonic() + min(GATHER_SECONDS, saver.open * GATHER_SECONDS_A_STREAM)
            self._busy = bool(self._line)
            for each in (*taken, *self._line[:1]):
                each.woken.set()


def _complete_drafts(endings: Sequence[tuple[Claim, Ending]]) -> Sequence[Claim | None]:
    """One alone costs less by itself."""
    return actions.complete_drafts(endings) if len(endings) > 1 else [None]


_claims: Together[UUID, Claim] = Together(actions.claim_all)
_drafts: Together[tuple[Claim, Ending], Claim] = Together(_complete_drafts, DRAFT_PATIENCE)


def claim(generation_id: UUID) -> Claim | None:
    """As :func:`runs.actions.claim`, with whoever claims now."""
    return _claims.ask(generation_id) or actions.claim(generation_id)


def complete(held: Claim, ending: Ending) -> bool:
    """As :func:`runs.actions.complete`, drafts with others that end now."""
    if held.generation.kind == Generation.Kind.CANDIDATE and _drafts.ask((held, ending)):
        return True
    return actions.complete(held, ending)
