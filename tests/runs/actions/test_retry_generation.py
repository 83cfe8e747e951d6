"""One model is asked anew; no other is touched."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions
from runs.actions import Superseded, ThreadBusy, TooManyRuns
from runs.events import GenerationRequeued
from runs.models import MultiModelRun
from tests.racing import race
from tests.runs.rows import (
    AGO,
    answering,
    ask,
    break_down,
    candidates,
    change,
    claimed,
    complete,
    completed,
    ending,
    failed,
    fresh,
    synthesis,
    synthesizing,
)
from threads.models import Message

pytestmark = pytest.mark.usefixtures("models")


def degraded(owner: Any) -> MultiModelRun:
    """A run whose third model failed and whose final answer stands."""
    run = answering(owner)
    first, second, third = candidates(run)
    complete(first)
    complete(second)
    break_down(third)
    assert actions.settle(run.pk)
    assert actions.complete(claimed(synthesis(run)), ending("In short."))
    return fresh(run)


def test_a_run_that_has_its_answer_keeps_it_and_the_new_draft_is_late(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    run = degraded(ada)
    third = candidates(run)[2]
    change(run, deadline_at=Now() - AGO)
    with django_capture_on_commit_callbacks(execute=True):
        assert actions.retry_generation(third.pk)
    assert [event.generation["status"] for event in said if isinstance(event, GenerationRequeued)] == ["queued"]
    complete(third, "At last.")
    assert (fresh(third).attempt, fresh(third).late) == (2, True)
    after = fresh(run)
    assert (after.status, after.outcome, after.final_id) == ("completed", "degraded", run.final_id)
    assert run.thread.messages.filter(kind=Message.Kind.FINAL).count() == 1


def test_one_that_failed_while_others_write_joins_them_again(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    break_down(second)
    claimed(third)
    deadline = fresh(run).deadline_at
    assert actions.retry_generation(second.pk)
    assert fresh(run).deadline_at >= deadline
    assert fresh(first).status == "completed"
    assert fresh(third).status == "streaming"
    complete(second)
    assert not fresh(second).late


def test_a_run_without_an_answer_goes_on_with_it_and_keeps_the_other_drafts(ada: Any) -> None:
    run = failed(ada)
    second = candidates(run)[1]
    assert actions.retry_generation(second.pk)
    assert [row.status for row in candidates(run)] == ["failed", "queued", "failed"]
    assert fresh(run).status == "answering"
    complete(second, "Now I know.")
    actions.settle(run.pk)
    after = fresh(run)
    assert (after.status, after.outcome, after.final.content) == ("completed", "single", "Now I know.")


def test_a_stopped_run_goes_on_too(ada: Any) -> None:
    run = answering(ada)
    first, second, _third = candidates(run)
    complete(first)
    actions.request_cancel(run.pk)
    assert fresh(run).status == "cancelled"
    assert actions.retry_generation(second.pk)
    complete(second)
    assert actions.settle(run.pk)


def test_a_failed_synthesis_is_asked_for_again_with_the_new_draft(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    complete(second)
    break_down(third)
    actions.settle(run.pk)
    break_down(synthesis(run))
    actions.settle(run.pk)
    assert actions.retry_generation(third.pk)
    complete(third)
    assert actions.settle(run.pk)
    assert (synthesis(run).version, len(synthesis(run).labels)) == (2, 3)


def test_one_that_writes_or_has_answered_is_not_asked_again(ada: Any) -> None:
    run = synthesizing(ada)
    assert not actions.retry_generation(candidates(run)[0].pk)
    assert not actions.retry_generation(synthesis(run).pk)
    other = answering(ada)
    assert not actions.retry_generation(candidates(other)[0].pk)
    claimed(candidates(other)[1])
    assert not actions.retry_generation(candidates(other)[1].pk)
    assert not actions.retry_generation(uuid.uuid4())


def test_a_late_draft_is_an_answer_and_is_not_asked_again(ada: Any) -> None:
    run = degraded(ada)
    third = candidates(run)[2]
    actions.retry_generation(third.pk)
    complete(third)
    assert not actions.retry_generation(third.pk)


def test_a_run_that_is_being_stopped_asks_nobody_again(ada: Any) -> None:
    run = answering(ada)
    first, second, _third = candidates(run)
    claimed(first)
    break_down(second)
    actions.request_cancel(run.pk)
    assert not actions.retry_generation(second.pk)


def test_a_run_that_the_conversation_has_left_behind_does_not_go_on(ada: Any) -> None:
    run = failed(ada)
    later, _new = ask(ada, run.thread, "And now?", "swift:one")
    with pytest.raises(ThreadBusy):
        actions.retry_generation(candidates(run)[0].pk)
    actions.request_cancel(later.pk)
    with pytest.raises(Superseded):
        actions.retry_generation(candidates(run)[0].pk)


def test_it_counts_as_a_run_also_when_the_run_has_its_answer(ada: Any, settings: Any) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 1
    run, whole = failed(ada), degraded(ada)
    answering(ada)
    for generation in (candidates(run)[0], candidates(whole)[2]):
        with pytest.raises(TooManyRuns):
            actions.retry_generation(generation.pk)


def test_of_one_run_several_may_be_asked_anew_where_there_is_room_for_one(ada: Any, settings: Any) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 1
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    for each in (second, third):
        break_down(each)
    actions.settle(run.pk)
    assert actions.retry_generation(second.pk)
    assert actions.retry_generation(third.pk)


@pytest.mark.django_db(transaction=True)
def test_of_two_retries_at_once_one_counts(ada: Any, said: list[Any]) -> None:
    for _ in range(4):
        third = candidates(degraded(ada))[2]
        asked = race(*[lambda: actions.retry_generation(third.pk)] * 2)  # noqa: B023
        assert sorted(asked) == [False, True]


def test_it_has_the_time_of_a_new_run(ada: Any, settings: Any) -> None:
    run = degraded(ada)
    change(run, deadline_at=Now() - AGO)
    actions.retry_generation(candidates(run)[2].pk)
    soon = Now() + timedelta(seconds=settings.RUN_TIMEOUT - 5)
    assert MultiModelRun.objects.filter(pk=run.pk, deadline_at__gt=soon).exists()


def test_a_run_that_is_completed_by_all_is_left_alone(ada: Any) -> None:
    run = completed(ada)
    assert not any(actions.retry_generation(candidate.pk) for candidate in candidates(run))


@pytest.mark.django_db(transaction=True)
def test_a_retry_and_a_new_prompt_at_the_same_moment_do_not_wait_for_each_other_for_ever(
    ada: Any, said: list[Any]
) -> None:
    for _ in range(6):
        run = failed(ada)
        first = candidates(run)[0]
        answers = race(
            lambda: actions.retry_generation(first.pk),  # noqa: B023
            lambda: ask(ada, run.thread, "And now?", "swift:one")[1],  # noqa: B023
            lambda: actions.retry(run.pk),  # noqa: B023
        )
        assert sum(answer is True for answer in answers) == 1
        refused = [answer for answer in answers if answer is not True]
        assert all(answer is False or isinstance(answer, ThreadBusy | Superseded) for answer in refused), refused
        MultiModelRun.objects.all().delete()
