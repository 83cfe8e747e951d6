"""The task door: ids in, one call each.

No error of ours leaves a task: a header that raises would stop its chord's callback. A worker that is ending hands the
messages that still reach it back to the broker.
"""

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.exceptions import Reject
from celery.signals import worker_init, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import close_old_connections

from runs import actions, orchestration
from runs.models import GenerationStatus
from runs.sweeping import Sweeper
from threads import channel
from workers import pushing, streaming

logger = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 0.5
SHUTDOWN_SECONDS = 4.5
"""How long a worker that was asked to end may take to give back what it has; the rest is found when its leases end."""


@shared_task(name=orchestration.GENERATE, bind=True)
def generate(self: "Task[Any, Any]", generation_id: str) -> None:
    """One model's draft. Within a chord its callback brings the run on; alone, this task does."""
    _hand_back_if_stopping()
    _safely(partial(_generate, in_chord=bool(self.request.chord)), generation_id)


@shared_task(name=orchestration.SYNTHESIZE)
def synthesize(run_id: str) -> None:
    """The final answer of a run, once all of its drafts have ended."""
    _hand_back_if_stopping()
    _safely(_synthesize, run_id)


@shared_task(name=orchestration.SWEEP)
def sweep() -> None:
    """For whoever runs ``celery beat``: bring on what stands still."""
    orchestration.sweep()


def _generate(generation_id: UUID, *, in_chord: bool) -> None:
    generation = streaming.stream_generation(generation_id)
    if generation is not None:
        orchestration.advance_after(generation, in_chord=in_chord)


def _synthesize(run_id: UUID) -> None:
    with actions.telling_later():
        held = orchestration.join(run_id)
        written = None if held is None else streaming.stream(held)
    if written is not None and written.status != GenerationStatus.COMPLETED:
        orchestration.advance(run_id)


def _hand_back_if_stopping() -> None:
    if streaming.is_stopping():
        raise Reject("this worker is ending", requeue=True)


def _safely(call: Callable[[UUID], None], about: str) -> None:
    """What goes wrong is logged; the row stays as it is, and the sweeper brings it on."""
    try:
        call(UUID(about))
    except Exception:
        logger.exception("A task about %s failed; the sweeper tries again", about)
    finally:
        close_old_connections()  # Celery has yet to tell Redis, and others may have the connection meanwhile


_sweeper = Sweeper(settings.SWEEP_SECONDS)


@worker_init.connect
def _begin(**_about: Any) -> None:
    logging.getLogger("celery.app.trace").addFilter(_without_traceback)
    streaming.warm_up()
    channel.send_through(pushing.tell)
    threading.Thread(target=_sweeper.sweep_until_stopped, name="sweeper", daemon=True).start()


def _without_traceback(record: logging.LogRecord) -> bool:
    """Celery logs a message that was handed back as if something had gone wrong."""
    if record.exc_info and isinstance(record.exc_info[1], Reject):
        record.exc_info = None
    return True


@worker_shutting_down.connect
def _stop_all(**_about: Any) -> None:
    """Nothing may hold up a deploy, not even a database or a broker that has stopped answering."""
    deadline = threading.Timer(SHUTDOWN_SECONDS, _leave)
    deadline.daemon = True
    deadline.start()
    _sweeper.stop()
    streaming.stop_all()


@worker_shutdown.connect
def _say_the_rest(**_about: Any) -> None:
    """All tasks have ended; what they said last is told before the process ends."""
    pushing.drain(LAST_WORDS_SECONDS)


def _leave() -> None:
    logger.warning("This worker could not give everything back in %s s; it leaves the rest to others", SHUTDOWN_SECONDS)
    os._exit(0)
