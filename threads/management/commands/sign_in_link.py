from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError, CommandParser

from threads import accounts


class Command(BaseCommand):
    """A way in for whoever has the machine and no password."""

    help = "Print a link that signs the owner (or another person) in, once, within an hour."

    def add_arguments(self, parser: CommandParser) -> None:
        """Let the caller name somebody."""
        parser.add_argument("username", nargs="?", help="whom; the owner when left out")

    def handle(self, *args: Any, username: str | None = None, **options: Any) -> None:
        """Do what ``help`` says."""
        user = User.objects.filter(username=username, is_active=True).first() if username else accounts.owner()
        if user is None:
            raise CommandError(f"There is no active account {username}.")
        self.stdout.write(settings.PUBLIC_URL + accounts.link_path(user))
