"""What the sweeper finds and mends. Each step is conditional, so any number of sweepers may run at once.

Each query names one state, so that both databases answer it from the partial index of that state, however many rows
have ended.
"""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from runs.actions.endings import fail_run
from runs.actions.generations import requeue
from runs.actions.joining import GRACE, LAUNCH_GRACE, joinable
from runs.actions.telling import tell_generation
from runs.events import GenerationCancelled, GenerationFailed
from runs.models import GENERATION_ACTIVE, RUN_ACTIVE, Generation, GenerationStatus, MultiModelRun, RunStatus


def unlaunched() -> list[UUID]:
    """Runs that nobody has taken up: the broker was away, or who saved them died."""
    waiting = MultiModelRun.objects.filter(
        status=RunStatus.QUEUED, cancel_requested_at=None, queued_at__lt=Now() - LAUNCH_GRACE, deadline_at__gt=Now()
    )
    return list(waiting.values_list("pk", flat=True))


def expire_leases() -> int:
    """Take generations back from workers that no longer renew their lease; returns how many."""
    expired = Generation.objects.filter(status=GenerationStatus.STREAMING, lease_expires_at__lt=Now())
    return sum(_take_back(generation) for generation in expired.select_related("run").defer("sent_prompt"))


def due() -> list[Generation]:
    """Queued generations whose task is due again (a retry, a lost message, a lease given back); each is given once."""
    waiting = Generation.objects.filter(status=GenerationStatus.QUEUED, next_retry_at__lte=Now())
    launched = waiting.exclude(run__status__in=[RunStatus.QUEUED, RunStatus.CANCELLED])
    return [generation for generation in launched.defer("sent_prompt") if _postpone(generation)]


def fail_overdue() -> int:
    """End what is still active past its run's deadline; returns how many generations ended."""
    message = _("It was not finished when the time of the run was over. Send the prompt again.")
    late = [
        generation for status in GENERATION_ACTIVE for generation in _active(status).filter(run__deadline_at__lt=Now())
    ]
    return sum(_fail(generation, _same(generation), "timeout", message) for generation in late)


def fail_unserved() -> int:
    """End what waited for a worker longer than anybody should; returns how many generations and runs ended.

    Who waits for a provider waits until the run's deadline: there a worker is free, and says what it waits for.
    """
    patience = timedelta(seconds=settings.QUEUE_TIMEOUT)
    message = _("No worker was free within %d seconds. Send the prompt again in a moment.") % settings.QUEUE_TIMEOUT
    unserved = _active(GenerationStatus.QUEUED).filter(queued_at__lt=Now() - patience, waiting_for="")
    ended = sum(_fail(generation, _same(generation), "overloaded", message) for generation in unserved)
    waiting = MultiModelRun.objects.filter(status=RunStatus.QUEUED)
    active = Generation.objects.filter(run=OuterRef("pk"), status__in=GENERATION_ACTIVE)
    # A run that was tried again for its synthesis alone has no generation that waits.
    hopeless = waiting.filter(Q(queued_at__lt=Now() - patience) | Q(deadline_at__lt=Now()), ~Exists(active))
    ids = list(hopeless.values_list("pk", flat=True))
    return ended + sum(fail_run(run_id, waiting, "overloaded", message) for run_id in ids)


def stopping() -> list[UUID]:
    """Runs that were asked to stop, with nothing in the hands of a worker: what waits there can end now."""
    streaming = Generation.objects.filter(run=OuterRef("pk"), status=GenerationStatus.STREAMING)
    asked = MultiModelRun.objects.filter(~Exists(streaming), cancel_requested_at__isnull=False)
    return [run_id for status in RUN_ACTIVE for run_id in asked.filter(status=status).values_list("pk", flat=True)]


def unsettled() -> list[UUID]:
    """Runs that wait for the join, for the next master or for their end."""
    synthesis = Generation.objects.filter(
        run=OuterRef("pk"), kind=Generation.Kind.SYNTHESIS, current=True, status__in=GENERATION_ACTIVE
    )
    concluded = MultiModelRun.objects.filter(~Exists(synthesis), status=RunStatus.SYNTHESIZING)
    return [
        *joinable().values_list("pk", flat=True),
        *concluded.values_list("pk", flat=True),
    ]


def _active(status: GenerationStatus) -> QuerySet[Generation]:
    return Generation.objects.filter(status=status).select_related("run").defer("sent_prompt")


def _take_back(generation: Generation) -> bool:
    held = Generation.objects.filter(
        pk=generation.pk,
        status=GenerationStatus.STREAMING,
        lease_owner=generation.lease_owner,
        lease_expires_at__lt=Now(),
    )
    if generation.cancel_requested_at or generation.run.cancel_requested_at:
        with transaction.atomic():
            changed = held.update(
                status=GenerationStatus.CANCELLED, lease_owner=None, lease_expires_at=None, ended_at=Now()
            )
            if changed:
                tell_generation(generation, GenerationCancelled)
        return bool(changed)
    if generation.failures + 1 >= settings.ATTEMPTS_MAX:
        message = _("The worker that was writing it died, several times. Try again.")
        return _fail(generation, held, "worker_lost", message)
    return requeue(generation, held, failures=F("failures") + 1)


def _postpone(generation: Generation) -> bool:
    # Compared with the clock and not with the time that was read: SQLite keeps times as texts, in two lengths.
    still_due = Generation.objects.filter(pk=generation.pk, status=GenerationStatus.QUEUED, next_retry_at__lte=Now())
    return bool(still_due.update(next_retry_at=Now() + GRACE))


def _same(generation: Generation) -> QuerySet[Generation]:
    """The row as long as it is in the state and the hands in which it was read."""
    return Generation.objects.filter(
        pk=generation.pk, status=generation.status, attempt=generation.attempt, lease_owner=generation.lease_owner
    )


def _fail(generation: Generation, rows: QuerySet[Generation], code: str, message: str) -> bool:
    with transaction.atomic():
        changed = rows.update(
            status=GenerationStatus.FAILED,
            error_code=code,
            error_message=message,
            failures=F("failures") + 1,
            lease_owner=None,
            lease_expires_at=None,
            ended_at=Now(),
        )
        if changed:
            tell_generation(generation, GenerationFailed)
    return bool(changed)
