"""``manage.py sweep``: bring on runs that stand still."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from runs import orchestration
from runs.sweeping import Sweeper


class Command(BaseCommand):
    """Finds runs whose worker, message or moment was lost and brings them on."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--forever`` makes it a process that does nothing else."""
        parser.add_argument("--forever", action="store_true", help="Sweep every SWEEP_SECONDS until stopped.")

    def handle(self, **options: Any) -> None:
        """Sweep once, or for ever."""
        if options["forever"]:
            Sweeper(settings.SWEEP_SECONDS).sweep_until_stopped()
        else:
            self.stdout.write(f"Moved: {orchestration.sweep()}")
