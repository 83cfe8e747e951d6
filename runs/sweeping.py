"""The sweep, again and again: in every worker, seldom in every web process, and wherever ``manage.py sweep`` runs."""

import logging
import random
import threading

from django.db import DatabaseError, close_old_connections
from kombu.exceptions import KombuError

from runs import orchestration

logger = logging.getLogger(__name__)


class Sweeper:
    """Sweeps at an even pace, sooner or later by a random part, so that several do not keep step."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stopped = threading.Event()

    def sweep_until_stopped(self) -> None:
        """Return after :meth:`stop`; nothing else ends it."""
        while not self._stopped.is_set():
            self._sweep()
            self._stopped.wait(self._seconds * random.uniform(0.8, 1.2))  # noqa: S311 (not a secret)

    def stop(self) -> None:
        """Let the present sweep be the last one."""
        self._stopped.set()

    def _sweep(self) -> None:
        try:
            moved = orchestration.sweep()
        except (DatabaseError, KombuError, OSError) as error:
            logger.warning("The sweep failed and is tried again: %s: %s", type(error).__name__, error)
        except Exception:
            logger.exception("The sweep failed and is tried again")
        else:
            if moved:
                logger.info("Brought on %d things that stood still", moved)
        finally:
            close_old_connections()
