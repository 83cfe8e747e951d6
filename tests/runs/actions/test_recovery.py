"""What the sweeper finds: each step is conditional, so it may run at any time and any number of times."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions
from runs.actions import Claim
from runs.events import GenerationFailed
from tests.racing import race
from tests.runs.rows import (
    AGO,
    THREE,
    answering,
    break_down,
    candidates,
    change,
    checkpoint,
    claimed,
    complete,
    completed,
    failed,
    fresh,
    lose_lease,
    started,
    synthesis,
    synthesizing,
)

pytestmark = pytest.mark.usefixtures("models")


def test_expire_leases_queues_what_a_dead_worker_held_and_counts_it_as_a_failure(ada: Any) -> None:
    first, second, _third = candidates(answering(ada))
    lose_lease(claimed(first))
    claimed(second)
    assert actions.expire_leases() == 1
    row = fresh(first)
    assert (row.status, row.failures, row.lease_owner) == ("queued", 1, None)
    assert fresh(second).status == "streaming"
    assert [generation.pk for generation in actions.due()] == [first.pk]


def test_expire_leases_gives_up_a_generation_that_kills_its_workers(
    ada: Any, settings: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    settings.ATTEMPTS_MAX = 2
    candidate = candidates(answering(ada))[0]
    for _ in range(2):
        lose_lease(claimed(candidate))
        with django_capture_on_commit_callbacks(execute=True):
            assert actions.expire_leases() == 1
    row = fresh(candidate)
    assert (row.status, row.error_code, row.attempt) == ("failed", "worker_lost", 2)
    assert [event.generation["id"] for event in said if isinstance(event, GenerationFailed)] == [str(candidate.pk)]


@pytest.mark.django_db(transaction=True)
def test_expire_leases_of_several_sweepers_takes_each_lease_back_once(ada: Any, said: list[Any]) -> None:
    candidate = candidates(answering(ada))[0]
    lose_lease(claimed(candidate))
    assert sum(race(*[actions.expire_leases] * 4)) == 1
    assert fresh(candidate).failures == 1


@pytest.mark.django_db(transaction=True)
def test_a_lease_renewed_while_the_sweeper_looks_is_kept_or_lost_and_never_both(ada: Any, said: list[Any]) -> None:
    for _ in range(6):
        held = claimed(candidates(answering(ada))[0])
        lose_lease(held)
        taken, hold = race(actions.expire_leases, lambda: checkpoint(held, "alive"))  # noqa: B023
        assert (taken, hold) in [(0, actions.Hold.KEPT), (1, actions.Hold.LOST)]


def test_due_gives_a_retry_when_its_time_has_come_and_only_once(ada: Any) -> None:
    first, second, third = candidates(answering(ada))
    change(first, next_retry_at=Now() - AGO)
    change(second, next_retry_at=Now() + timedelta(minutes=1))
    claimed(third)
    assert [generation.pk for generation in actions.due()] == [first.pk]
    assert actions.due() == []


def test_due_leaves_the_first_task_of_a_candidate_time_to_arrive(ada: Any) -> None:
    answering(ada)
    assert actions.due() == []


def test_due_leaves_runs_alone_that_were_stopped_or_not_taken_up(ada: Any) -> None:
    run = answering(ada)
    change(candidates(run)[0], next_retry_at=Now() - AGO)
    for status in ("cancelled", "queued"):
        change(run, status=status)
        assert actions.due() == []


def test_due_gives_a_straggler_whose_run_has_its_answer_already(ada: Any) -> None:
    run = answering(ada)
    change(candidates(run)[0], next_retry_at=Now() - AGO)
    change(run, status="completed")
    assert [generation.pk for generation in actions.due()] == [candidates(run)[0].pk]


@pytest.mark.django_db(transaction=True)
def test_due_gives_each_generation_to_one_of_several_sweepers(ada: Any, said: list[Any]) -> None:
    run = answering(ada)
    for candidate in candidates(run):
        change(candidate, next_retry_at=Now() - AGO)
    given = [generation.pk for result in race(*[actions.due] * 4) for generation in result]
    assert sorted(given) == sorted(candidate.pk for candidate in candidates(run))


def test_fail_overdue_ends_what_is_active_past_the_deadline(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    claimed(second)
    assert actions.fail_overdue() == 0
    change(run, deadline_at=Now() - AGO)
    assert actions.fail_overdue() == 2
    assert [row.status for row in candidates(run)] == ["completed", "failed", "failed"]
    assert {fresh(row).error_code for row in (second, third)} == {"timeout"}
    actions.settle(run.pk)
    assert (fresh(run).status, fresh(run).outcome) == ("completed", "single")


def test_fail_unserved_ends_a_run_that_no_worker_took_up_in_time(ada: Any, settings: Any) -> None:
    run = started(ada)
    assert actions.fail_unserved() == 0
    for candidate in candidates(run):
        change(candidate, queued_at=Now() - AGO)
    change(run, queued_at=Now() - AGO)
    settings.QUEUE_TIMEOUT = 59
    assert actions.fail_unserved() == 4
    run = fresh(run)
    assert (run.status, run.error_code) == ("failed", "overloaded")
    assert "59 seconds" in run.error_message
    assert [row.status for row in candidates(run)] == ["failed"] * 3
    assert actions.fail_unserved() == 0


def test_fail_unserved_ends_the_candidates_that_found_no_worker_and_leaves_the_others(ada: Any, settings: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    claimed(first)
    change(second, queued_at=Now() - AGO)
    change(third, queued_at=Now() - AGO, waiting_for="swift")
    settings.QUEUE_TIMEOUT = 59
    assert actions.fail_unserved() == 1
    assert [row.status for row in candidates(run)] == ["streaming", "failed", "queued"]
    assert fresh(run).status == "answering"


def test_fail_unserved_leaves_alone_what_was_begun_once(ada: Any, settings: Any) -> None:
    settings.QUEUE_TIMEOUT = 0.001
    run = answering(ada, THREE[:1])
    actions.release(claimed(candidates(run)[0]))
    assert actions.fail_unserved() == 0


def test_fail_overdue_ends_a_synthesis_too(ada: Any) -> None:
    run = synthesizing(ada)
    claimed(synthesis(run))
    change(run, deadline_at=Now() - AGO)
    assert actions.fail_overdue() == 1
    actions.settle(run.pk)
    assert (fresh(run).status, fresh(run).error_code) == ("failed", "synthesis_failed")


def test_unlaunched_are_queued_runs_that_waited_too_long(ada: Any) -> None:
    run, other = started(ada), started(ada)
    assert actions.unlaunched() == []
    change(run, queued_at=Now() - AGO)
    assert actions.unlaunched() == [run.pk]
    actions.take_up(run.pk)
    assert actions.unlaunched() == []
    change(other, queued_at=Now() - AGO, deadline_at=Now() - timedelta(seconds=1))
    assert actions.unlaunched() == [], "fail_overdue has it"


def test_unsettled_are_active_runs_whose_generations_have_all_ended(ada: Any) -> None:
    answering(ada)
    completed(ada)
    failed(ada)
    waiting = answering(ada)
    for candidate in candidates(waiting):
        break_down(candidate)
    ended = synthesizing(ada)
    break_down(synthesis(ended))
    assert sorted(actions.unsettled()) == sorted([waiting.pk, ended.pk])


def test_stopping_are_runs_asked_to_stop_that_no_worker_holds(ada: Any) -> None:
    run = answering(ada, THREE[:2])
    held: Claim = claimed(candidates(run)[0])
    actions.request_cancel(run.pk)
    assert actions.stopping() == []
    actions.release(held)
    assert actions.stopping() == [run.pk]
