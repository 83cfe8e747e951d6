"""A generation from its claim to its end: the thread of a task keeps the lease while the loop reads the model."""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection

from runs import actions, catalogue, orchestration
from runs.actions import Claim, Ending, Failure, Hold
from runs.drafts import why_missing
from runs.models import Generation
from threads.history import history_of
from workers import loop, together
from workers.prompts import Draft, candidate_turns, synthesis_turns
from workers.providers.base import ErrorCode, FinishReason, ProviderError, Reach, Request, Retry, Turn
from workers.pushing import GrowingText
from workers.reading import Reading, open_early
from workers.saving import saver

logger = logging.getLogger(__name__)
T = TypeVar("T")

_TRIES = {Retry.NEVER: 1, Retry.ONCE: 2, Retry.BACKOFF: None}
_INTERNAL = "Something went wrong inside Polyphony; the worker's log says what. Try again."
_stopping = threading.Event()
_open: set["Future[FinishReason]"] = set()
ASKED_PATIENCE = 0.1
"""Seconds. In a busy process the loop may come to a request later; then it is told before that its text begins."""


def stream_generation(generation_id: UUID) -> Generation | None:
    """Claim a generation, read its model's answer into it, and end it. Returns ``None`` when somebody else has it."""
    with actions.telling_later():
        held = together.claim(generation_id)
        return None if held is None else stream(held)


def stream(held: Claim) -> Generation:
    """As :func:`stream_generation` of one that is claimed; within :func:`runs.actions.telling_later`."""
    actions.tell_begun(held)
    _stream(held)
    return held.generation


def _stream(held: Claim) -> None:
    reading = None
    try:
        reading = _prepare(held)
        _read(held, reading)
    except ProviderError as error:
        actions.fail(held, Ending(text=""), Failure(error.code, error.message))
    except OperationalError:
        raise  # the database is away: the row stays as it is, and the sweeper brings it on
    except Exception:
        logger.exception("Generation %s met an error of our own", held.generation.pk)
        ending = _ending(reading) if reading else Ending(text="")
        _insist(lambda: actions.fail(held, ending, Failure("internal", _INTERNAL)))
    finally:
        orchestration.wake_next(catalogue.describe(held.generation.model_id).provider)


def warm_up() -> None:
    """Open the configured providers before the first generation."""
    reaches = [_reach(name) for name, reach in settings.PROVIDERS.items() if reach["configured"]]
    loop.submit(open_early(reaches)).result()


def is_stopping() -> bool:
    """Whether this process takes nothing up any more."""
    return _stopping.is_set()


def stop_all() -> None:
    """This process ends: close every stream, and let each task give its lease back."""
    _stopping.set()
    for future in list(_open):
        future.cancel()


def _prepare(held: Claim) -> Reading:
    """What to ask and where.

    Raises:
        ProviderError: the model's provider is not configured.
    """
    generation = held.generation
    model = catalogue.describe(generation.model_id)
    reach = _reach(model.provider)
    request = Request(
        model=model.name,
        turns=_turns(generation),
        max_output_tokens=settings.OUTPUT_MAX_TOKENS,
        connect_timeout=settings.CONNECT_TIMEOUT,
        tokens_per_second=model.tokens_per_second,
    )
    text = GrowingText(generation.run.thread_id, generation.run_id, generation.pk, generation.attempt)
    return Reading(reach, request, text, _time_for(generation))


def _read(held: Claim, reading: Reading) -> None:
    """Read in the loop, while the saver keeps what came and renews the lease."""
    reading.text.hide()
    future = loop.submit(reading.run())
    _open.add(future)
    if _stopping.is_set():  # it was set between our claim and here, so nobody else cancels this stream
        future.cancel()
    try:
        with saver.saving(held, reading, future) as saved:
            if not future.done():
                # What is told next would take the processor from the loop. The connection is kept meanwhile: whoever
                # had it next would do the same, and with many beginning at once pieces came four times as late.
                reading.asked.wait(ASKED_PATIENCE)
            actions.tell_now()  # that a text begins, before its first piece
            reading.text.show()
            connection.close()  # nothing is held while a vendor is waited for
            wait([future])
        _end(held, reading, future, saved.hold)
    finally:
        future.cancel()
        _open.discard(future)


def _end(held: Claim, reading: Reading, future: "Future[FinishReason]", hold: Hold) -> None:
    if hold is Hold.LOST:
        return
    if hold is Hold.STOPPED:
        _insist(lambda: actions.halt(held, _ending(reading)))
        return
    try:
        reason = future.result()
    except CancelledError:
        _insist(lambda: actions.release(held))
        orchestration.relaunch(held.generation)
    except ProviderError as error:
        failure = Failure(error.code, error.message, _TRIES[error.retry], error.retry_after)
        again = _insist(lambda: actions.fail(held, _ending(reading), failure))
        if again is not None:
            orchestration.relaunch(held.generation, after=again)
    else:
        _insist(lambda: together.complete(held, _ending(reading, reason)))


def _insist(write: Callable[[], T]) -> T:
    """Repeat a write of an attempt while the database is away; later the lease ends and the sweeper has it."""
    for pause in (0.2, 0.5, 1, 2, 4):
        try:
            return write()
        except OperationalError as error:
            logger.warning("Something of a generation was not saved and is tried again: %s", type(error).__name__)
            connection.close()
            time.sleep(pause)
    return write()


def _ending(reading: Reading, reason: str = "") -> Ending:
    usage = reading.usage
    return Ending(
        text=reading.text.so_far(),
        finish_reason=reason,
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        tokens_cached=usage.tokens_cached,
        tokens_reasoning=usage.tokens_reasoning,
        first_token_after=reading.first_text_after,
        thoughts=reading.thoughts,
        prompt=reading.unsaved_prompt,
    )


def _reach(name: str) -> Reach:
    provider = settings.PROVIDERS.get(name)
    if provider is None or not provider["configured"]:
        needs = provider["needs"] if provider else "Choose another model."
        raise ProviderError(ErrorCode.AUTH, f"The provider {name} is not configured. {needs}")
    return Reach(name=name, kind=provider["kind"], base_url=provider["base_url"], api_key=provider["api_key"])


def _time_for(generation: Generation) -> float:
    """Seconds that this generation may take.

    A candidate leaves the master its time before the run's deadline; a master leaves a third of what is left to those
    who would have to take over from it. Nobody takes over a further version.
    """
    assert generation.started_at is not None
    left = (generation.run.deadline_at - generation.started_at).total_seconds()
    if generation.kind == Generation.Kind.SYNTHESIS:
        others = generation.current and actions.fallbacks(generation.run, after=generation.position)
        return max(1.0, min(settings.SYNTHESIS_TIMEOUT, left * 2 / 3 if others else left))
    return max(1.0, min(settings.GENERATION_TIMEOUT, left - settings.SYNTHESIS_TIMEOUT, left))


def _turns(generation: Generation) -> tuple[Turn, ...]:
    """The conversation for a candidate; the conversation and the drafts, read from their rows, for a synthesis."""
    run = generation.run
    system = run.thread.system_prompt
    history = [Turn(message.role, message.content) for message in history_of(run.prompt)]  # type: ignore[arg-type]
    if generation.kind == Generation.Kind.CANDIDATE:
        return candidate_turns(system, history)
    labels: dict[str, str] = generation.labels or {}
    candidates = {str(g.pk): g for g in run.generations.filter(kind=Generation.Kind.CANDIDATE).defer("sent_prompt")}
    return synthesis_turns(
        system,
        history,
        drafts=[Draft(letter, candidates[draft].text) for letter, draft in labels.items()],
        missing={
            catalogue.describe(g.model_id).label: why_missing(
                g.status, g.finish_reason, g.text, g.error_message, late=g.late
            )
            for key, g in candidates.items()
            if key not in labels.values()
        },
        tag=f"draft-{secrets.token_hex(4)}",
        context_window=catalogue.describe(generation.model_id).context_window,
    )
