"""What follows for runs when a thread is deleted."""

from typing import Any

from django.dispatch import receiver

from runs.actions import stop_all
from threads.models import Thread
from threads.signals import thread_deleted


@receiver(thread_deleted)
def stop_what_is_under_way(sender: type[Thread], thread: Thread, **about: Any) -> None:
    """Nobody reads on, so nobody should write on."""
    stop_all(thread)
