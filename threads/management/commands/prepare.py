from typing import Any

import redis
from django.core.management import BaseCommand, CommandError, call_command

from threads import accounts
from threads.connections import sync_client


class Command(BaseCommand):
    """What must be done before anything starts; every ``make run`` does it first, and again does no harm."""

    help = "Check Redis, update the database and the static files, and see that there is an owner."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what ``help`` says."""
        _check_redis()
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        owner = accounts.owner()
        if not owner.has_usable_password():  # the link is the only way in
            self.stdout.write(accounts.link_path(owner))


def _check_redis() -> None:
    try:
        sync_client().ping()
    except redis.RedisError as error:
        raise CommandError(
            f"The Redis of REDIS_URL does not answer ({type(error).__name__}). Start it, or correct REDIS_URL, or unset"
            " it: then `make run` starts a broker of its own."
        ) from error
