"""What the sweeper finds and mends. Each step is conditional, so any number of sweepers may run at once."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from runs.actions.endings import fail_run
from runs.actions.generations import requeue
from runs.actions.runs import GRACE
from runs.actions.telling import tell_generation
from runs.events import GenerationCancelled, GenerationFailed
from runs.models import GENERATION_ACTIVE, RUN_ACTIVE, Generation, GenerationStatus, MultiModelRun, RunStatus

KICKOFF_GRACE = timedelta(seconds=5)


def overdue_kickoffs() -> list[UUID]:
    """Runs that no worker has taken up although their kick-off is long due: its message was lost."""
    waiting = MultiModelRun.objects.filter(
        status=RunStatus.QUEUED, cancel_requested_at=None, created_at__lt=Now() - KICKOFF_GRACE, deadline_at__gt=Now()
    )
    return list(waiting.values_list("pk", flat=True))


def expire_leases() -> int:
    """Take generations back from workers that no longer renew their lease; returns how many."""
    expired = Generation.objects.filter(status=GenerationStatus.STREAMING, lease_expires_at__lt=Now())
    return sum(_take_back(generation) for generation in expired.select_related("run").defer("sent_prompt"))


def due() -> list[Generation]:
    """Queued generations whose task is due again (a retry, a lost message, a lease given back); each is given once."""
    waiting = Generation.objects.filter(status=GenerationStatus.QUEUED, next_retry_at__lte=Now()).filter(
        run__status__in=[RunStatus.ANSWERING, RunStatus.SYNTHESIZING]
    )
    return [generation for generation in waiting.defer("sent_prompt") if _postpone(generation)]


def fail_overdue() -> int:
    """End what is still active past its run's deadline; returns how many generations and runs ended."""
    late = Generation.objects.filter(
        status__in=GENERATION_ACTIVE, run__deadline_at__lt=Now(), run__status__in=RUN_ACTIVE
    )
    message = _("It was not finished when the time of the run was over. Send the prompt again.")
    ended = sum(
        _fail(generation, _same(generation), "timeout", message)
        for generation in late.select_related("run").defer("sent_prompt")
    )
    never_begun = MultiModelRun.objects.filter(status=RunStatus.QUEUED, deadline_at__lt=Now()).values_list(
        "pk", flat=True
    )
    sentence = _("No worker was free before the time of the run was over. Send the prompt again.")
    waiting = MultiModelRun.objects.filter(status=RunStatus.QUEUED)
    return ended + sum(fail_run(run_id, waiting, "overloaded", sentence) for run_id in never_begun)


def stopping() -> list[UUID]:
    """Runs that were asked to stop, with nothing in the hands of a worker: what waits there can end now."""
    streaming = Generation.objects.filter(run=OuterRef("pk"), status=GenerationStatus.STREAMING)
    asked = MultiModelRun.objects.filter(~Exists(streaming), status__in=RUN_ACTIVE, cancel_requested_at__isnull=False)
    return list(asked.values_list("pk", flat=True))


def unsettled() -> list[UUID]:
    """Active runs none of whose generations is active: they wait for the join or for their end."""
    active = Generation.objects.filter(run=OuterRef("pk"), status__in=GENERATION_ACTIVE)
    waiting = MultiModelRun.objects.filter(~Exists(active), status__in=[RunStatus.ANSWERING, RunStatus.SYNTHESIZING])
    return list(waiting.values_list("pk", flat=True))


def _take_back(generation: Generation) -> bool:
    held = Generation.objects.filter(
        pk=generation.pk,
        status=GenerationStatus.STREAMING,
        lease_owner=generation.lease_owner,
        lease_expires_at__lt=Now(),
    )
    if generation.run.cancel_requested_at is not None:
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
