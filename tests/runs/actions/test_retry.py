import uuid
from typing import Any

import pytest

from runs import actions
from runs.actions import ThreadBusy
from tests.racing import race
from tests.runs.rows import (
    answering,
    break_down,
    candidates,
    claimed,
    complete,
    completed,
    ending,
    failed,
    fresh,
    started,
    synthesis,
    synthesizing,
)

pytestmark = pytest.mark.usefixtures("models")


def test_a_failed_run_asks_again_those_who_gave_no_draft(ada: Any) -> None:
    run = failed(ada)
    assert actions.retry(run.pk)
    run = fresh(run)
    assert (run.status, run.outcome, run.error_code, run.error_message, run.ended_at) == ("queued", "", "", "", None)
    assert len(actions.take_up(run.pk) or []) == 3
    for candidate in candidates(run):
        complete(candidate)
    assert actions.settle(run.pk)
    assert fresh(run).outcome == "full"


def test_drafts_are_kept_and_a_new_synthesis_is_written(ada: Any) -> None:
    run = synthesizing(ada)
    first = synthesis(run)
    break_down(first)
    actions.settle(run.pk)
    assert actions.retry(run.pk)
    assert actions.take_up(run.pk) == []
    assert actions.settle(run.pk)
    second = synthesis(run)
    assert (second.version, fresh(first).current) == (2, False)
    assert actions.complete(claimed(second), ending("At last."))
    assert (fresh(run).status, fresh(run).final.content) == ("completed", "At last.")
    assert [candidate.attempt for candidate in candidates(run)] == [1, 1, 1]


def test_a_stopped_run_begins_again(ada: Any) -> None:
    run = started(ada)
    actions.request_cancel(run.pk)
    assert actions.retry(run.pk)
    assert (fresh(run).status, fresh(run).cancel_requested_at) == ("queued", None)
    assert len(actions.take_up(run.pk) or []) == 3


def test_a_refusal_is_asked_again(ada: Any) -> None:
    run = answering(ada, ("swift:one",))
    complete(candidates(run)[0], "I will not.", "refusal")
    actions.settle(run.pk)
    assert actions.retry(run.pk)
    assert len(actions.take_up(run.pk) or []) == 1
    complete(candidates(run)[0], "Oh well: because.")
    actions.settle(run.pk)
    assert fresh(run).final.content == "Oh well: because."


@pytest.mark.parametrize("make", [started, answering, synthesizing, completed])
def test_a_run_that_is_active_or_has_its_answer_is_not_retried(ada: Any, make: Any) -> None:
    run = make(ada)
    assert not actions.retry(run.pk)
    assert fresh(run).status == run.status


def test_a_run_that_is_gone_is_not_retried(db: None) -> None:
    assert not actions.retry(uuid.uuid4())


def test_it_waits_for_the_run_that_is_active_in_the_thread(ada: Any) -> None:
    run = failed(ada)
    started(ada, thread=run.thread)
    with pytest.raises(ThreadBusy):
        actions.retry(run.pk)
    assert (fresh(run).status, fresh(run).error_code) == ("failed", "no_draft")


def test_its_time_begins_anew(ada: Any) -> None:
    run = failed(ada)
    before = run.deadline_at
    actions.retry(run.pk)
    assert fresh(run).deadline_at > before


@pytest.mark.django_db(transaction=True)
def test_of_retries_at_the_same_moment_one_begins(ada: Any, said: list[Any]) -> None:
    run = failed(ada)
    assert sorted(race(*[lambda: actions.retry(run.pk)] * 4)) == [False, False, False, True]


def test_a_run_behind_which_the_conversation_went_on_is_not_begun_again(ada: Any) -> None:
    """Its answer would become the newest turn and cut the later ones out of what models are told."""
    run = failed(ada)
    later = started(ada, thread=run.thread, prompt="And?")
    actions.request_cancel(later.pk)
    with pytest.raises(actions.Superseded):
        actions.retry(run.pk)
    assert fresh(run).status == "failed"


def test_what_is_asked_anew_says_no_more_how_it_ended_before(ada: Any) -> None:
    """While it waits and streams again, an old reason would stand on its card and in the list of who is missing."""
    run = answering(ada)
    first, second, _third = candidates(run)
    complete(first, "I will not.", "refusal")
    break_down(second)
    for each in (first, second):
        assert actions.retry_generation(each.pk)
        each.refresh_from_db()
        assert (each.status, each.finish_reason, each.error_code, each.error_message) == ("queued", "", "", "")
