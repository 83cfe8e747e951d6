"""Whether there is room for more work, asked in the same transaction that would add it."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from runs.models import MultiModelRun
from threads.actions import lock_threads
from threads.models import Thread

# Each part names one state, so that a planner may choose its partial index. In SQL, since each prompt asks this, and to
# put it together from querysets took thirty times as long as to answer it.
_ACTIVE = """
SELECT (SELECT count(*) FROM (
            SELECT id FROM runs_multimodelrun WHERE owner_id = %(owner)s AND status = 'queued'
            UNION SELECT id FROM runs_multimodelrun WHERE owner_id = %(owner)s AND status = 'answering'
            UNION SELECT id FROM runs_multimodelrun WHERE owner_id = %(owner)s AND status = 'synthesizing'
            UNION SELECT run_id FROM runs_generation g JOIN runs_multimodelrun r ON r.id = g.run_id
                  WHERE r.owner_id = %(owner)s AND g.status = 'queued'
            UNION SELECT run_id FROM runs_generation g JOIN runs_multimodelrun r ON r.id = g.run_id
                  WHERE r.owner_id = %(owner)s AND g.status = 'streaming'
        ) AS own),
       (SELECT count(*) FROM runs_generation WHERE status = 'queued')
     + (SELECT count(*) FROM runs_generation WHERE status = 'streaming')
"""


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


def lock_owner(owner_id: int) -> datetime:
    """Until the transaction ends, nobody else begins work for this person. Taken before the lock of any thread.

    Returns the time, by the clock of the database.
    """
    rows = User.objects.select_for_update(no_key=True).annotate(now=Now())
    return rows.values_list("now", flat=True).get(pk=owner_id)


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
    own, busy = _active(owner_id)
    if runs and own + runs > settings.ACTIVE_RUNS_PER_USER_MAX:
        raise TooManyRuns
    if busy + generations > settings.ACTIVE_GENERATIONS_MAX:
        raise Overloaded


def may_begin(owner_id: int) -> None:
    """Whether this person may have one run more, as far as one can say without :func:`lock_owner`.

    Raises:
        TooManyRuns: no.
    """
    own, _busy = _active(owner_id)
    if own >= settings.ACTIVE_RUNS_PER_USER_MAX:
        raise TooManyRuns


def _active(owner_id: int) -> tuple[int, int]:
    """How many runs are under way for this person, and how many generations for all.

    A run that has its answer counts as long as somebody writes for it: a straggler, or another version.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ACTIVE, {"owner": owner_id})
        own, busy = cursor.fetchone()
    return own, busy
