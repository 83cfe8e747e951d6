"""The task door: ids in, one call each. A task never raises: a header that raises would stop its chord's callback."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.signals import worker_init, worker_shutting_down

from runs import orchestration
from runs.models import Generation
from workers import streaming

logger = logging.getLogger(__name__)


@shared_task(name=orchestration.DISPATCH)
def dispatch(run_id: str) -> None:
    """Take a run up and launch its models."""
    _safely(orchestration.dispatch, run_id)


@shared_task(name=orchestration.GENERATE, bind=True, ignore_result=False)
def generate(self: "Task[Any, Any]", generation_id: str) -> None:
    """One model's draft. Within a chord its callback brings the run on; alone, this task does."""
    _safely(streaming.stream_generation, generation_id)
    if not self.request.chord:
        _safely(_advance, generation_id)


@shared_task(name=orchestration.SYNTHESIZE)
def synthesize(run_id: str) -> None:
    """The final answer of a run, once all of its drafts have ended."""
    _safely(_synthesize, run_id)


def _advance(generation_id: UUID) -> None:
    for run_id in Generation.objects.filter(pk=generation_id).values_list("run_id", flat=True):
        orchestration.advance(run_id)


def _synthesize(run_id: UUID) -> None:
    orchestration.join(run_id)
    for generation_id in orchestration.waiting_synthesis(run_id):
        streaming.stream_generation(generation_id)
    orchestration.advance(run_id)


def _safely(call: Callable[[UUID], None], about: str) -> None:
    """What goes wrong is logged; the row stays as it is, and the sweeper brings it on."""
    try:
        call(UUID(about))
    except Exception:
        logger.exception("A task about %s failed; the sweeper tries again", about)


@worker_init.connect
def _warm_up(**_about: Any) -> None:
    streaming.warm_up()


@worker_shutting_down.connect
def _stop_all(**_about: Any) -> None:
    streaming.stop_all()
