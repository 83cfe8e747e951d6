import uuid
from typing import Any

import pytest

from runs import actions
from runs.actions import Claim, Hold
from runs.events import GenerationCancelled, RunCancelled
from runs.models import Generation
from tests.racing import race
from tests.runs.rows import (
    answering,
    candidates,
    checkpoint,
    claimed,
    complete,
    completed,
    ending,
    failed,
    fresh,
    lose_lease,
    started,
    synthesis,
    synthesizing,
)
from threads.models import Message

pytestmark = pytest.mark.usefixtures("models")


def statuses(run: Any) -> list[str]:
    return [generation.status for generation in run.generations.all()]


def test_a_queued_run_ends_at_once(ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks():
        run = started(ada)
    with django_capture_on_commit_callbacks(execute=True):
        assert actions.request_cancel(run.pk)
    run = fresh(run)
    assert (run.status, statuses(run)) == ("cancelled", ["cancelled"] * 3)
    assert run.ended_at is not None
    assert [type(event) for event in said] == [GenerationCancelled] * 3 + [RunCancelled]


def test_what_streams_ends_when_its_worker_sees_it_and_what_came_is_kept(ada: Any) -> None:
    run = answering(ada)
    first, second, _third = candidates(run)
    complete(first)
    held = claimed(second)
    assert checkpoint(held, "So") is Hold.KEPT
    assert actions.request_cancel(run.pk)
    assert (fresh(run).status, statuses(run)) == ("answering", ["completed", "streaming", "cancelled"])
    assert checkpoint(held, "So far") is Hold.STOPPED
    actions.halt(held, ending("So far", ""))
    assert not actions.settle(run.pk)
    assert (fresh(run).status, fresh(second).text) == ("cancelled", "So far")
    assert fresh(run).final is None


def test_a_synthesis_that_waits_ends_at_once_and_the_drafts_stay(ada: Any) -> None:
    run = synthesizing(ada)
    assert actions.request_cancel(run.pk)
    assert (fresh(run).status, statuses(run)) == ("cancelled", ["completed"] * 3 + ["cancelled"])
    assert not Message.objects.filter(kind="final").exists()


def test_a_synthesis_that_streams_ends_when_its_worker_sees_it(ada: Any) -> None:
    run = synthesizing(ada)
    held = claimed(synthesis(run))
    assert actions.request_cancel(run.pk)
    assert fresh(run).status == "synthesizing"
    actions.halt(held, ending("In sh", ""))
    actions.settle(run.pk)
    assert (fresh(run).status, fresh(held.generation).text) == ("cancelled", "In sh")


@pytest.mark.parametrize("make", [completed, failed])
def test_a_run_that_has_ended_stays_as_it_is(ada: Any, make: Any) -> None:
    run = make(ada)
    assert not actions.request_cancel(run.pk)
    after = fresh(run)
    assert (after.status, after.cancel_requested_at, after.ended_at) == (run.status, None, run.ended_at)


def test_asking_twice_is_asking_once(ada: Any) -> None:
    run = answering(ada)
    claimed(candidates(run)[0])
    assert actions.request_cancel(run.pk)
    assert not actions.request_cancel(run.pk)


def test_a_run_that_is_gone_is_nothing_to_stop(db: None) -> None:
    assert not actions.request_cancel(uuid.uuid4())


def test_a_retry_that_was_queued_meanwhile_does_not_keep_the_run_alive(ada: Any) -> None:
    run = answering(ada, ("swift:one",))
    held = claimed(candidates(run)[0])
    assert actions.request_cancel(run.pk)
    actions.release(held)
    assert actions.stop_queued(Generation.objects.all()) == 1
    for run_id in actions.stopping():
        actions.settle(run_id)
    assert fresh(run).status == "cancelled"


def test_a_worker_that_dies_while_it_is_being_stopped_does_not_keep_the_run_alive(ada: Any) -> None:
    run = answering(ada, ("swift:one",))
    lose_lease(claimed(candidates(run)[0]))
    assert actions.request_cancel(run.pk)
    assert actions.expire_leases() == 1
    actions.settle(run.pk)
    assert (fresh(run).status, statuses(run)) == ("cancelled", ["cancelled"])


@pytest.mark.django_db(transaction=True)
def test_a_stop_and_the_end_of_the_synthesis_at_the_same_moment_leave_one_end(ada: Any, said: list[Any]) -> None:
    for _ in range(6):
        run = synthesizing(ada)
        held = claimed(synthesis(run))

        def finish(held: Claim = held) -> bool:
            return actions.complete(held, ending("Final."))

        finished, stopped = race(finish, lambda: actions.request_cancel(run.pk))  # noqa: B023
        actions.settle(run.pk)
        after = fresh(run)
        assert finished is True, "a text that is whole counts, whoever comes first"
        assert after.status == "completed", stopped
        assert after.final.content == "Final."


@pytest.mark.django_db(transaction=True)
def test_stops_at_the_same_moment_end_the_run_once(ada: Any, said: list[Any]) -> None:
    run = started(ada)
    said.clear()
    results = race(*[lambda: actions.request_cancel(run.pk)] * 4)
    assert sorted(results) == [False, False, False, True]
    assert [type(event) for event in said].count(RunCancelled) == 1
