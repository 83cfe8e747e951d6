"""``manage.py protocol``: what a thread's socket says, as JSON Schema."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from runs.protocol import schema


class Command(BaseCommand):
    """Prints the schema; ``docs/protocol.md`` says what a client does with the frames."""

    help = __doc__ or ""

    def handle(self, **options: Any) -> None:
        """Print it."""
        self.stdout.write(json.dumps(schema(), indent=2))
