"""The claims of all tasks of this process, in one transaction for as many as ask at one time.

When fifty people ask within a second, a transaction for each task would be what they wait for.
"""

import logging
import threading
from uuid import UUID

from django.db import connection

from runs import actions
from runs.actions import Claim
from threads.database import AWAY

logger = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds. When somebody claims for longer, say over a connection that is dead, the next one claims beside it. Those
for whom it claims already wait with it, and their rows for the sweeper."""


class _Asked:
    """A task that waits for its claim."""

    def __init__(self, generation_id: UUID) -> None:
        self.generation_id = generation_id
        self.answered = False
        self.held: Claim | None = None


class Claimer:
    """Whoever comes first claims for all who came while somebody else was claiming."""

    def __init__(self) -> None:
        self._asking: list[_Asked] = []
        self._busy = False
        self._changed = threading.Condition()

    def claim(self, generation_id: UUID) -> Claim | None:
        """As :func:`runs.actions.claim`."""
        asked = _Asked(generation_id)
        together: list[_Asked] = []
        # Who has a connection waits for nobody: whoever claims may be waiting for one.
        patience = PATIENCE if connection.connection is None else 0
        with self._changed:
            self._asking.append(asked)
            self._changed.wait_for(lambda: asked.answered or not self._busy, patience)
            if asked in self._asking:
                together, self._asking, self._busy = self._asking, [], True
            else:
                self._changed.wait_for(lambda: asked.answered)
        if together:
            try:
                self._claim(together)
            finally:
                self._answer(together)
        return asked.held or actions.claim(generation_id)

    def _claim(self, together: list[_Asked]) -> None:
        """Claim what can be claimed without waiting for anybody; each of the others tries by itself."""
        try:
            claims = actions.claim_all({asked.generation_id for asked in together})
        except AWAY:
            return
        except Exception:
            logger.exception("%d generations were not claimed together", len(together))
            return
        for asked in together:
            asked.held = claims.pop(asked.generation_id, None)

    def _answer(self, together: list[_Asked]) -> None:
        with self._changed:
            for asked in together:
                asked.answered = True
            self._busy = False
            self._changed.notify_all()


claimer = Claimer()
"""The one of this process."""
