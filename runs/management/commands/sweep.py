"""``manage.py sweep``: bring on runs that stand still."""

import logging
import random
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections
from kombu.exceptions import KombuError

from runs.orchestration import sweep

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Finds runs whose worker, message or moment was lost and brings them on."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--forever`` makes it the sweeper of the Procfile."""
        parser.add_argument("--forever", action="store_true", help="Sweep every SWEEP_SECONDS until stopped.")

    def handle(self, **options: Any) -> None:
        """Sweep once, or for ever."""
        if not options["forever"]:
            self.stdout.write(f"Moved: {sweep()}")
            return
        while True:
            self._sweep_safely()
            time.sleep(settings.SWEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 (spreads several sweepers)

    def _sweep_safely(self) -> None:
        try:
            moved = sweep()
        except (DatabaseError, KombuError, OSError) as error:
            logger.warning("The sweep failed and is tried again: %s: %s", type(error).__name__, error)
        else:
            if moved:
                logger.info("Brought on %d things that stood still", moved)
        finally:
            close_old_connections()
