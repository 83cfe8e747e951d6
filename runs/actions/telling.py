"""What the verbs say to the sockets, once what they wrote is committed."""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction

from runs.events import RunView
from runs.models import Generation, MultiModelRun
from runs.snapshot import generation_view, run_event_view
from threads import channel
from threads.events import Event


def tell_on_commit(thread_id: UUID, make: Callable[[], Event]) -> None:
    """Make the event after the commit, from what then stands in the database, and send it."""
    transaction.on_commit(lambda: channel.send(thread_id, make()), robust=True)


def tell_run(run: MultiModelRun, word: Callable[[RunView], Event]) -> None:
    """Say one word about a run."""
    tell_on_commit(run.thread_id, lambda: word(run_event_view(run.pk)))


def tell_generation(generation: Generation, word: Callable[..., Event]) -> None:
    """Say that a generation ended, with its whole text."""

    def make() -> Event:
        generation.refresh_from_db()
        return word(run=str(generation.run_id), generation=generation_view(generation))

    tell_on_commit(generation.run.thread_id, make)
