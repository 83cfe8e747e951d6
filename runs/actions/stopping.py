"""What a person stops: one generation, or a whole run. What has come is kept, and the rest goes on."""

from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from runs.actions.endings import cancel_run
from runs.actions.telling import tell_generation
from runs.events import GenerationCancelled
from runs.models import GENERATION_ACTIVE, RUN_ACTIVE, Generation, GenerationStatus, MultiModelRun
from threads.models import Thread


def request_cancel(run_id: UUID) -> bool:
    """Stop a run: what has not begun ends at once, what streams ends when its worker sees it, what has come is kept.

    Returns whether there was anything to stop.
    """
    with transaction.atomic():
        runs = MultiModelRun.objects.filter(pk=run_id, status__in=RUN_ACTIVE, cancel_requested_at=None)
        if not runs.update(cancel_requested_at=Now()):
            return False
        stop_queued(Generation.objects.filter(run_id=run_id))
    finish_cancel(run_id)
    return True


def stop_generation(generation_id: UUID) -> bool:
    """Stop one model of a run; the others go on. To stop who writes the first final answer is to stop the run.

    Returns whether there was anything to stop.
    """
    generation = Generation.objects.filter(pk=generation_id).only("kind", "current", "run_id").first()
    if generation is None:
        return False
    if generation.kind == Generation.Kind.SYNTHESIS and generation.current:
        return request_cancel(generation.run_id)
    with transaction.atomic():
        active = Generation.objects.filter(pk=generation_id, status__in=GENERATION_ACTIVE, cancel_requested_at=None)
        asked = bool(active.update(cancel_requested_at=Now()))
        stop_queued(Generation.objects.filter(pk=generation_id))
    return asked


def stop_all(thread: Thread) -> None:
    """Stop whatever is under way in a thread, also who still writes when the final answer stands."""
    for run_id in MultiModelRun.objects.filter(thread=thread, status__in=RUN_ACTIVE).values_list("pk", flat=True):
        request_cancel(run_id)
    writing = Generation.objects.filter(run__thread=thread, status__in=GENERATION_ACTIVE, cancel_requested_at=None)
    for generation_id in writing.filter(run__cancel_requested_at=None).values_list("pk", flat=True):
        stop_generation(generation_id)


def stop_queued(generations: QuerySet[Generation]) -> int:
    """End those of these generations that wait although they, or their runs, were asked to stop; returns how many."""
    asked = Q(cancel_requested_at__isnull=False) | Q(run__cancel_requested_at__isnull=False)
    waiting = generations.filter(asked, status=GenerationStatus.QUEUED).select_related("run").defer("sent_prompt")
    return sum(_stop(generation) for generation in waiting)


def finish_cancel(run_id: UUID) -> bool:
    """End a run that was asked to stop once none of its generations is active. Returns whether it did."""
    active = Generation.objects.filter(run=OuterRef("pk"), status__in=GENERATION_ACTIVE)
    return cancel_run(run_id, MultiModelRun.objects.filter(~Exists(active), cancel_requested_at__isnull=False))


def _stop(generation: Generation) -> bool:
    with transaction.atomic():
        queued = Generation.objects.filter(pk=generation.pk, status=GenerationStatus.QUEUED)
        stopped = bool(queued.update(status=GenerationStatus.CANCELLED, ended_at=Now()))
        if stopped:
            tell_generation(generation, GenerationCancelled)
    return stopped
