"""Whether there is room for more work, asked in the same transaction that would add it."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from runs.models import GENERATION_ACTIVE, RUN_ACTIVE, Generation, MultiModelRun
from threads.actions import lock_threads
from threads.models import Thread


class Refused(Exception):
    """There is no room now; the same request may be made again after ``retry_after`` seconds."""

    code: str
    message: Any
    retry_after = 10


class TooManyRuns(Refused):
    """The person has as many active runs as one may have."""

    code = "too_many_runs"
    message = gettext_lazy(
        "You have as many prompts under way as one person may have. Wait until one is answered, or stop one."
    )


class Overloaded(Refused):
    """All people together ask more than the workers can write."""

    code = "overloaded"
    message = gettext_lazy("Too many models are writing at the moment. Nothing was sent; try again in a few seconds.")


def lock_owner(owner_id: int) -> None:
    """Until the transaction ends, nobody else begins work for this person. Taken before the lock of any thread."""
    User.objects.select_for_update(no_key=True).get(pk=owner_id)


def lock(runs: QuerySet[MultiModelRun]) -> None:
    """Hold the person and the thread of a run, in the order in which a new run takes them.

    Raises:
        Thread.DoesNotExist: the thread is deleted, so nothing may begin in it any more.
    """
    for owner_id, thread_id in runs.values_list("owner_id", "thread_id"):
        lock_owner(owner_id)
        if not lock_threads(Thread.objects.filter(pk=thread_id, deleted_at=None)):
            raise Thread.DoesNotExist


def deadline() -> Any:
    """Until when a run that begins something now may take."""
    return Now() + timedelta(seconds=settings.RUN_TIMEOUT)


def admit(owner_id: int, *, runs: int = 0, generations: int) -> None:
    """Let so much more work in, or refuse it; the caller holds :func:`lock_owner`.

    The limit of a person is exact: of two requests at once the second waits for the first. The limit of all may be
    passed by what starts in the same instant; to make everybody wait for everybody would cost more than that.

    Raises:
        TooManyRuns, Overloaded: nothing was changed.
    """
    if runs:
        may_begin(owner_id, runs)
    busy = sum(Generation.objects.filter(status=status).count() for status in GENERATION_ACTIVE)
    if busy + generations > settings.ACTIVE_GENERATIONS_MAX:
        raise Overloaded


def may_begin(owner_id: int, runs: int = 1) -> None:
    """Whether this person may have so many runs more, as far as one can say without :func:`lock_owner`.

    A run that has its answer counts as long as somebody writes for it: a straggler, or another version.

    Raises:
        TooManyRuns: no.
    """
    own = MultiModelRun.objects.filter(owner_id=owner_id).values_list("pk")
    writing = Generation.objects.filter(run__owner_id=owner_id).order_by().values_list("run_id")
    # Each part names one state, so that a planner may choose its partial index.
    first, *others = [own.filter(status=status) for status in RUN_ACTIVE]
    active = first.union(*others, *(writing.filter(status=status) for status in GENERATION_ACTIVE))
    if active.count() + runs > settings.ACTIVE_RUNS_PER_USER_MAX:
        raise TooManyRuns
