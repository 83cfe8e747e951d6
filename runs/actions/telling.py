"""What the verbs of runs tell the sockets."""

from collections.abc import Callable

from runs.events import RunView
from runs.models import Generation, MultiModelRun
from runs.snapshot import generation_view, run_event_view
from threads.events import Event
from threads.telling import tell_on_commit


def tell_run(run: MultiModelRun, word: Callable[[RunView], Event]) -> None:
    """Say one word about a run."""
    tell_on_commit(run.thread_id, lambda: word(run_event_view(run.pk)))


def tell_generation(generation: Generation, word: Callable[..., Event]) -> None:
    """Say that something became of a generation, with its whole text, as it then stands in the database."""

    def make() -> Event:
        generation.refresh_from_db()
        return word(run=str(generation.run_id), generation=generation_view(generation))

    tell_on_commit(generation.run.thread_id, make)
