"""The verb that begins a run."""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs import catalogue
from runs.actions.telling import tell_on_commit, tell_run
from runs.events import RunStarted
from runs.models import RUN_ACTIVE, Generation, MultiModelRun
from threads.actions import add_prompt, clean_text, create_lanes
from threads.events import MessageCreated
from threads.models import Message, Thread
from threads.snapshot import message_view

KEY_MAX_CHARS = 200


class ThreadBusy(Exception):
    """A run is still active in the thread."""

    message = gettext_lazy("This thread is still answering its last prompt. Wait for it or stop it, then send again.")


class KeyReused(Exception):
    """The idempotency key was used before, for something else."""

    message = gettext_lazy(
        "This Idempotency-Key was already used with other content. Send a new key with a new request."
    )


def start_run(
    owner: AbstractBaseUser,
    thread: Thread,
    prompt: str,
    *,
    master: str,
    secondaries: Sequence[str] = (),
    idempotency_key: str = "",
) -> tuple[MultiModelRun, bool]:
    """Save the prompt, the run, its generations and their lanes in one transaction.

    Returns:
        The run, and whether it is new: the same key with the same content answers with the run that it made before.

    Raises:
        ValidationError: the prompt, the key or the choice of models cannot be used.
        ThreadBusy: another run is active in the thread.
        KeyReused: the idempotency key came with other content before.
        Thread.DoesNotExist: the thread was deleted meanwhile.
    """
    clean_text(idempotency_key, KEY_MAX_CHARS, what=_("Idempotency-Key"))
    fingerprint = _fingerprint(thread, prompt, master, secondaries)
    if earlier := _earlier(owner, idempotency_key, fingerprint):
        return earlier, False
    _check_models(master, secondaries)
    try:
        with transaction.atomic():
            models = [master, *secondaries]
            key = idempotency_key or None
            return _create(owner, thread, prompt, models=models, key=key, fingerprint=fingerprint), True
    except (IntegrityError, ThreadBusy):
        # Two requests raced and one came through: the same key is the same run, else the thread is busy.
        if earlier := _earlier(owner, idempotency_key, fingerprint):
            return earlier, False
        if thread.runs.filter(status__in=RUN_ACTIVE).exists():
            raise ThreadBusy from None
        raise


def _create(
    owner: AbstractBaseUser, thread: Thread, text: str, *, models: list[str], key: str | None, fingerprint: str
) -> MultiModelRun:
    Thread.objects.select_for_update().get(pk=thread.pk)
    if thread.runs.filter(status__in=RUN_ACTIVE).exists():
        raise ThreadBusy
    prompt = add_prompt(thread, text)
    run = MultiModelRun.objects.create(
        thread=thread,
        owner_id=owner.pk,
        prompt=prompt,
        master_model=models[0],
        idempotency_key=key,
        fingerprint=fingerprint if key else "",
        deadline_at=Now() + timedelta(seconds=settings.RUN_TIMEOUT),
    )
    _create_candidates(run, prompt, models)
    view = message_view(prompt)
    tell_on_commit(thread.pk, lambda: MessageCreated(message=view))
    tell_run(run, RunStarted)
    return run


def _create_candidates(run: MultiModelRun, prompt: Message, models: list[str]) -> None:
    threads = [run.thread, *create_lanes(prompt, len(models) - 1)]
    Generation.objects.bulk_create(
        Generation(
            run=run,
            role=Generation.Role.SECONDARY if position else Generation.Role.MASTER,
            position=position,
            model_id=model_id,
            thread=thread,
        )
        for position, (model_id, thread) in enumerate(zip(models, threads, strict=True))
    )


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


def _earlier(owner: AbstractBaseUser, key: str, fingerprint: str) -> MultiModelRun | None:
    run = MultiModelRun.objects.filter(owner_id=owner.pk, idempotency_key=key).first() if key else None
    if run is not None and run.fingerprint != fingerprint:
        raise KeyReused
    return run


def _fingerprint(thread: Thread, prompt: str, master: str, secondaries: Sequence[str]) -> str:
    asked = json.dumps([str(thread.pk), prompt, master, *secondaries])
    return hashlib.sha256(asked.encode()).hexdigest()
