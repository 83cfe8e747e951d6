from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions
from runs.actions import Failure
from runs.events import GenerationFailed
from tests.runs.rows import AGO, answering, break_down, candidates, change, claimed, ending, fresh

pytestmark = pytest.mark.usefixtures("models")

PASSING = Failure("overloaded", "The provider is overloaded.", tries=3)


def test_an_error_that_stays_ends_the_generation_and_keeps_what_came(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    failure = Failure("auth", "The key was refused. Check it.")
    assert actions.fail(claimed(candidate), ending("Half of", ""), failure) is None
    row = fresh(candidate)
    assert (row.status, row.error_code, row.error_message) == ("failed", "auth", "The key was refused. Check it.")
    assert (row.text, row.failures, row.message) == ("Half of", 1, None)


def test_an_error_that_passes_queues_the_next_attempt(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    wait = actions.fail(claimed(candidate), ending("Half of"), PASSING)
    assert wait is not None
    row = fresh(candidate)
    assert (row.status, row.failures, row.lease_owner, row.error_code) == ("queued", 1, None, "overloaded")
    assert row.next_retry_at is not None
    assert claimed(candidate).generation.attempt == 2


@pytest.mark.parametrize(("failures", "longest"), [(0, 1.0), (1, 2.0), (2, 4.0), (5, 4.0)])
def test_each_failure_doubles_the_longest_wait(ada: Any, settings: Any, failures: int, longest: float) -> None:
    settings.ATTEMPTS_MAX, settings.ACTIVE_RUNS_PER_USER_MAX = 20, 100
    waits = []
    for _ in range(12):
        candidate = candidates(answering(ada, ("swift:one",)))[0]
        change(candidate, failures=failures)
        waits.append(actions.fail(claimed(candidate), ending(), Failure("overloaded", "", tries=20)))
    assert all(wait is not None and 0 <= wait <= longest for wait in waits)
    assert len(set(waits)) > 6, "full jitter"


def test_it_waits_as_long_as_the_vendor_asks(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    assert actions.fail(claimed(candidate), ending(), Failure("rate_limited", "", 3, retry_after=17)) == 17


def test_a_wait_past_the_deadline_is_the_end(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    failure = Failure("rate_limited", "Too many requests.", 3, retry_after=10_000)
    assert actions.fail(claimed(candidate), ending(), failure) is None
    assert (fresh(candidate).status, fresh(candidate).error_code) == ("failed", "rate_limited")


@pytest.mark.parametrize(("tries", "attempts_max", "attempts"), [(1, 3, 1), (2, 3, 2), (3, 3, 3), (3, 2, 2), (9, 3, 3)])
def test_it_is_given_up_after_as_many_attempts_as_its_class_and_the_setting_allow(
    ada: Any, settings: Any, tries: int, attempts_max: int, attempts: int
) -> None:
    settings.ATTEMPTS_MAX = attempts_max
    candidate = candidates(answering(ada))[0]
    failure = Failure("x", "x", tries)
    waits = 1
    while actions.fail(claimed(candidate), ending(), failure) is not None:
        waits += 1
    assert waits == attempts
    assert fresh(candidate).status == "failed"


def test_the_end_is_told_and_a_retry_is_not(ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    first, second, _third = candidates(answering(ada))
    with django_capture_on_commit_callbacks(execute=True):
        actions.fail(claimed(first), ending(), PASSING)
        break_down(second)
    told = [event.generation["error"] for event in said if isinstance(event, GenerationFailed)]
    assert told == [{"code": "auth", "message": "The key was refused."}]


def test_a_failure_after_the_deadline_is_the_end(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    change(run, deadline_at=Now() - AGO)
    assert actions.fail(held, ending(), PASSING) is None
    assert fresh(held.generation).status == "failed"


def test_a_candidate_does_not_wait_into_the_masters_time(ada: Any, settings: Any) -> None:
    candidate = candidates(answering(ada))[0]
    wait = settings.RUN_TIMEOUT - settings.SYNTHESIS_TIMEOUT / 2
    assert actions.fail(claimed(candidate), ending(), Failure("rate_limited", "Later.", 3, retry_after=wait)) is None
    assert fresh(candidate).error_code == "rate_limited"


def test_nothing_is_tried_again_in_a_run_that_was_asked_to_stop(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    actions.request_cancel(run.pk)
    assert actions.fail(held, ending(), PASSING) is None
