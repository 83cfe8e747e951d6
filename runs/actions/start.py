"""The verb that begins a run."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs import catalogue
from runs.actions.admission import Refused, admit, lock_owner
from runs.actions.joining import LAUNCH_GRACE
from runs.events import RunStarted
from runs.models import RUN_ACTIVE, Generation, MultiModelRun, RunStatus
from runs.snapshot import begun_view
from threads.actions import add_prompt, clean_text, create_lanes
from threads.events import MessageCreated
from threads.models import Message, Thread
from threads.snapshot import message_view
from threads.telling import tell_on_commit

KEY_MAX_CHARS = 200


class ThreadBusy(Exception):
    """A run is still active in the thread."""

    message = gettext_lazy("This thread is still answering its last prompt. Wait for it or stop it, then send again.")


class KeyReused(Exception):
    """The idempotency key was used before, for something else."""

    message = gettext_lazy(
        "This Idempotency-Key was already used with other content. Send a new key with a new request."
    )


@dataclass(frozen=True, slots=True)
class Quorum:
    """When the final answer may begin without those who are still writing.

    Without a soft deadline everybody is waited for. With one, the final answer begins once that many seconds are over
    and the minimum of drafts is there. Fewer drafts than the minimum make no final answer.
    """

    minimum: int = 1
    soft_deadline: int | None = None
    """Seconds from the start of the run; 0: as soon as the minimum is there."""


EVERYBODY = Quorum()


def start_run(
    owner: AbstractBaseUser,
    thread: Thread,
    prompt: str,
    *,
    master: str,
    secondaries: Sequence[str] = (),
    quorum: Quorum = EVERYBODY,
    idempotency_key: str = "",
    instead_of: UUID | None = None,
    launching: bool = False,
) -> tuple[MultiModelRun, bool]:
    """Save the prompt, the run, its generations and their lanes in one transaction.

    The prompt goes on with the branch that is shown, or is another version of the prompt that ``instead_of`` names.
    A run that the caller is ``launching`` after the commit begins as taken up; if nothing comes of that, the sweeper
    launches its generations one by one. Any other waits for :func:`take_up`.

    Returns:
        The run, and whether it is new: the same key with the same content answers with the run that it made before.

    Raises:
        ValidationError: the prompt, the key, the choice of models or the quorum cannot be used.
        ThreadBusy: another run is active in the thread.
        TooManyRuns, Overloaded: there is no room for it now.
        KeyReused: the idempotency key came with other content before.
        Thread.DoesNotExist: the thread was deleted meanwhile.
        Message.DoesNotExist: ``instead_of`` names no prompt of the thread.
    """
    clean_text(idempotency_key, KEY_MAX_CHARS, what=_("Idempotency-Key"))
    fingerprint = _fingerprint(thread, prompt, [master, *secondaries], quorum, instead_of)
    if earlier := _earlier(owner, idempotency_key, fingerprint):
        return earlier, False
    check_choice(master, secondaries, quorum)
    try:
        with transaction.atomic():
            models = [master, *secondaries]
            key = idempotency_key or None
            replaced = thread.messages.get(pk=instead_of, kind=Message.Kind.PROMPT) if instead_of else None
            made = _create(
                owner,
                thread,
                prompt,
                quorum,
                replaced,
                models=models,
                key=key,
                fingerprint=fingerprint,
                launching=launching,
            )
            return made, True
    except (IntegrityError, ThreadBusy, Refused) as error:
        # Two requests raced and one came through: the same key is the same run, else the thread is busy.
        if earlier := _earlier(owner, idempotency_key, fingerprint):
            return earlier, False
        if isinstance(error, IntegrityError):
            thread.refresh_from_db(fields=["tip", "title"])  # the prompt that they were of was not saved
            raise ThreadBusy from None
        if thread.runs.filter(status__in=RUN_ACTIVE).exists():
            raise ThreadBusy from None
        raise


def _create(
    owner: AbstractBaseUser,
    thread: Thread,
    text: str,
    quorum: Quorum,
    replaced: Message | None,
    *,
    models: list[str],
    key: str | None,
    fingerprint: str,
    launching: bool,
) -> MultiModelRun:
    now = lock_owner(owner.pk)
    admit(owner.pk, runs=1, generations=len(models))
    # Of two that ask in one moment, the second meets a constraint.
    if thread.runs.filter(status__in=RUN_ACTIVE).exists():
        raise ThreadBusy
    prompt = add_prompt(thread, text, instead_of=replaced)
    run = MultiModelRun.objects.create(
        thread=thread,
        owner_id=owner.pk,
        prompt=prompt,
        master_model=models[0],
        status=RunStatus.ANSWERING if launching else RunStatus.QUEUED,
        dispatched_at=now if launching else None,
        idempotency_key=key,
        fingerprint=fingerprint if key else "",
        minimum=quorum.minimum,
        soft_deadline=quorum.soft_deadline,
        queued_at=now,
        soft_deadline_at=None if quorum.soft_deadline is None else now + timedelta(seconds=quorum.soft_deadline),
        deadline_at=now + timedelta(seconds=settings.RUN_TIMEOUT),
    )
    run.begun_with = _create_candidates(run, prompt, models, now)
    tell_on_commit(thread.pk, lambda: MessageCreated(message=message_view(prompt)))
    tell_on_commit(thread.pk, lambda: RunStarted(run=begun_view(run, texts=False)))
    return run


def _create_candidates(run: MultiModelRun, prompt: Message, models: list[str], now: datetime) -> list[Generation]:
    threads = [run.thread, *create_lanes(prompt, len(models) - 1)]
    return Generation.objects.bulk_create(
        Generation(
            run=run,
            role=Generation.Role.SECONDARY if position else Generation.Role.MASTER,
            position=position,
            model_id=model_id,
            thread=thread,
            queued_at=now,
            next_retry_at=run.dispatched_at and run.dispatched_at + LAUNCH_GRACE,
        )
        for position, (model_id, thread) in enumerate(zip(models, threads, strict=True))
    )


def check_choice(master: str, secondaries: Sequence[str], quorum: Quorum) -> None:
    """See that these models can be asked together.

    Raises:
        ValidationError: says what is wrong with the choice and what to do.
    """
    _check_models(master, secondaries)
    _check_quorum(quorum, 1 + len(secondaries))


def _check_models(master: str, secondaries: Sequence[str]) -> None:
    if not master:
        raise ValidationError(_("No master is chosen. Choose the model that writes the final answer."))
    limit = settings.MODELS_PER_RUN_MAX
    if 1 + len(secondaries) > limit:
        raise ValidationError(
            _("%(count)d models are chosen; at most %(limit)d can answer one prompt. Take some away."),
            params={"count": 1 + len(secondaries), "limit": limit},
        )
    for model_id in {master, *secondaries}:
        catalogue.choose(model_id)


def _check_quorum(quorum: Quorum, models: int) -> None:
    if not 1 <= quorum.minimum <= models:
        raise ValidationError(
            _("The minimum is %(minimum)d drafts, and %(models)d models are asked. Choose a number from 1 to that."),
            params={"minimum": quorum.minimum, "models": models},
        )
    longest = int(settings.RUN_TIMEOUT)
    if quorum.soft_deadline is not None and not 0 <= quorum.soft_deadline <= longest:
        raise ValidationError(
            _("The soft deadline is %(seconds)d seconds. Choose a number from 0 to %(longest)d."),
            params={"seconds": quorum.soft_deadline, "longest": longest},
        )


def _earlier(owner: AbstractBaseUser, key: str, fingerprint: str) -> MultiModelRun | None:
    run = MultiModelRun.objects.filter(owner_id=owner.pk, idempotency_key=key).first() if key else None
    if run is not None and run.fingerprint != fingerprint:
        raise KeyReused
    return run


def _fingerprint(thread: Thread, prompt: str, models: Sequence[str], quorum: Quorum, instead_of: UUID | None) -> str:
    version = [str(instead_of)] if instead_of else []
    asked = json.dumps([str(thread.pk), prompt, *models, asdict(quorum), *version])
    return hashlib.sha256(asked.encode()).hexdigest()
