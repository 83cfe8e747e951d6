"""The plot of a run on one page.

start        the web process saves the prompt and the run (`actions.start_run`), and after the commit launches a Celery
             chord: one task per candidate, the synthesis as callback.
dispatch     with the broker away the rows are the outbox: a run waits until the sweeper takes it up and launches it.
join         the chord's callback, whoever ends a candidate outside of its chord, and the sweeper all try
             `actions.settle`; one wins.
synthesize   the master writes the final answer out of the drafts in the database.
sweep        finds whatever stands still and brings it on. It trusts rows only: no message, no counter, no process.

Tasks are launched by the names below; `workers.tasks` implements them. Messages carry ids and never texts.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from celery import Signature, chord, current_app
from django.contrib.auth.models import AbstractBaseUser
from django.db import close_old_connections, transaction
from django.db.models import Q
from django.db.models.functions import Now

from runs import actions, broker
from runs.actions import EVERYBODY, Claim, Quorum
from runs.models import Generation, GenerationStatus, MultiModelRun
from threads.actions import remove_deleted
from threads.connections import REDIS
from threads.models import Thread

logger = logging.getLogger(__name__)
T = TypeVar("T")

GENERATE = "polyphony.generate"
SYNTHESIZE = "polyphony.synthesize"
SWEEP = "polyphony.sweep"


def start_multi_model_generation(
    owner: AbstractBaseUser,
    thread: Thread,
    prompt: str,
    *,
    master: str,
    secondaries: Sequence[str] = (),
    quorum: Quorum = EVERYBODY,
    idempotency_key: str = "",
    instead_of: UUID | None = None,
) -> tuple[MultiModelRun, bool]:
    """Ask several models at once: save the prompt and its run, and launch it after the commit.

    Returns the run, and whether it is new. Raises as :func:`runs.actions.start_run`; never because the broker is away.
    """
    launching = broker.answers()
    with actions.telling_later():
        run, new = actions.start_run(
            owner,
            thread,
            prompt,
            master=master,
            secondaries=secondaries,
            quorum=quorum,
            idempotency_key=idempotency_key,
            instead_of=instead_of,
            launching=launching,
        )
        if new and launching:
            transaction.on_commit(lambda: _bring_on(_launch_new, run))
    return run, new


def retry_run(run_id: UUID) -> bool:
    """Begin a failed or stopped run again. Raises as :func:`runs.actions.retry`."""
    again = actions.retry(run_id)
    if again:
        transaction.on_commit(lambda: _bring_on(dispatch, run_id))
    return again


def retry_generation(generation: Generation, model: str = "") -> bool:
    """Ask one model of a run anew, or another in its place. Raises as :func:`runs.actions.retry_generation`."""
    again = actions.retry_generation(generation.pk, model)
    if again:
        transaction.on_commit(lambda: relaunch(generation))
    return again


def stop_generation(generation: Generation) -> bool:
    """Stop one model of a run; if it was the last one that was waited for, the run goes on at once."""
    stopped = actions.stop_generation(generation.pk)
    if stopped:
        transaction.on_commit(lambda: advance(generation.run_id))
    return stopped


def synthesize_now(run_id: UUID) -> bool:
    """Begin the final answer with the drafts that are there. Raises as :func:`runs.actions.request_synthesis`."""
    asked = actions.request_synthesis(run_id)
    if asked:
        transaction.on_commit(lambda: advance(run_id))
    return asked


def rewrite(run_id: UUID, master: str = "") -> bool:
    """Let another version of a final answer be written. Raises as :func:`runs.actions.rewrite`."""
    begun = actions.rewrite(run_id, master)
    if begun:
        transaction.on_commit(lambda: _send(SYNTHESIZE, run_id))
    return begun


def dispatch(run_id: UUID) -> None:
    """Launch what the run still needs. Dispatching again is always safe: the run is taken up once."""
    if not broker.answers():
        return  # it stays queued, and a later sweep dispatches it
    candidates = actions.take_up(run_id)
    if candidates is None:
        return
    if candidates:
        _launch(MultiModelRun.objects.get(pk=run_id), candidates)
    else:
        advance(run_id)


def join(run_id: UUID) -> Claim | None:
    """The chord's own try at the join. Returns a claim for the same task to stream: of the synthesis that it made, or
    of one, or of a further version of it, that was waiting for a worker.
    """
    made = actions.settle(run_id, take=True)
    if made is not None and made.lease_owner is not None:
        return Claim(made, made.lease_owner)
    waiting = Generation.objects.filter(run_id=run_id, kind=Generation.Kind.SYNTHESIS, status=GenerationStatus.QUEUED)
    pk = waiting.order_by().values_list("pk", flat=True).first()
    return None if pk is None else actions.claim(pk)


def advance_after(generation: Generation, *, in_chord: bool) -> None:
    """After a generation's task. Within a chord the callback advances the run, unless a quorum lets it go on."""
    if not in_chord or (generation.run.soft_deadline is not None and _is_soft_deadline_over(generation.run_id)):
        advance(generation.run_id)


def _is_soft_deadline_over(run_id: UUID) -> bool:
    return MultiModelRun.objects.filter(pk=run_id, soft_deadline_at__lte=Now()).exists()


def wake_next(provider: str) -> None:
    """A request at this provider has ended: launch who waits longest for it, if it has a limit and somebody waits."""
    if (generation := actions.next_in_line(provider)) is not None:
        relaunch(generation)


def advance(run_id: UUID) -> None:
    """After a generation ended: join if it was the last one, and launch the synthesis if this call made it."""
    if actions.settle(run_id):
        _send(SYNTHESIZE, run_id)


def sweep() -> int:
    """Bring on everything that stands still; returns how many things it moved.

    Each part is safe to run beside workers and other sweepers, and again at any time.
    """
    moved = actions.fail_overdue() + actions.fail_unserved() + actions.expire_leases()
    moved += actions.stop_queued(Generation.objects.all())
    stopping = actions.stopping()
    moved += sum(_bring_on(advance, run_id) for run_id in {*stopping, *actions.unsettled()})
    if broker.answers():  # what is due is given once, so it must not be given to nobody
        moved += sum(_bring_on(relaunch, generation) for generation in actions.due())
    moved += sum(_bring_on(dispatch, run_id) for run_id in actions.unlaunched())
    return moved + remove_deleted()


def _bring_on(step: Callable[[T], object], about: T) -> bool:
    """One step for one row; what goes wrong with it must not hold up the others, and is tried again next time."""
    try:
        step(about)
    except Exception:
        logger.exception("%s of %s failed; the next sweep tries again", step.__name__, about)
        return False
    return True


def relaunch(generation: Generation, after: float = 0) -> None:
    """Launch one queued generation by itself, outside of its chord, in ``after`` seconds."""
    if generation.kind == Generation.Kind.SYNTHESIS:
        _send(SYNTHESIZE, generation.run_id, after)
    else:
        _send(GENERATE, generation.pk, after)


def _launch_new(run: MultiModelRun) -> None:
    """Launch a run that was just saved as taken up, once it is told: no word of its models may come before that."""
    actions.tell_now()
    close_old_connections()  # others may have it while the broker is waited for
    _launch(run, [candidate.pk for candidate in run.begun_with])


def _launch(run: MultiModelRun, candidates: Sequence[UUID]) -> None:
    header = [_signature(GENERATE, candidate) for candidate in candidates]
    try:
        with REDIS.trying():
            chord(header, app=current_app)(_signature(SYNTHESIZE, run.pk))
    except broker.NOT_SENT as error:
        logger.warning("Run %s waits for the sweeper: the broker is away (%s)", run.pk, type(error).__name__)
        run.generations.filter(status=GenerationStatus.QUEUED).update(next_retry_at=Now())
        return
    if run.soft_deadline:
        _send(SYNTHESIZE, run.pk, after=run.soft_deadline)


def _signature(task: str, about: UUID) -> Signature[None]:
    return current_app.signature(task, args=(str(about),), immutable=True)


def _send(task: str, about: UUID, after: float = 0) -> None:
    """Send one small message; with the broker away the sweeper finds the row and sends it, once the broker is back."""
    try:
        with broker.producer() as producer:
            current_app.send_task(
                task, args=(str(about),), countdown=after or None, ignore_result=True, producer=producer, retry=False
            )
    except broker.NOT_SENT as error:
        logger.warning("%s of %s waits for the sweeper: the broker is away (%s)", task, about, type(error).__name__)
        if not after:
            _due_now(about)


def _due_now(about: UUID) -> None:
    """Nothing is on its way to this generation, or to this run's synthesis."""
    synthesis = Q(run_id=about, kind=Generation.Kind.SYNTHESIS)
    Generation.objects.filter(Q(pk=about) | synthesis, status=GenerationStatus.QUEUED).update(next_retry_at=Now())
