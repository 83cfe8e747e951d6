"""One model is stopped; the others go on."""

import uuid
from typing import Any

import pytest

from runs import actions
from runs.actions import Failure, Hold
from runs.events import GenerationCancelled
from runs.models import Generation
from tests.runs.rows import (
    THREE,
    answering,
    candidates,
    checkpoint,
    claimed,
    complete,
    completed,
    ending,
    fresh,
    lose_lease,
    synthesis,
    synthesizing,
)

pytestmark = pytest.mark.usefixtures("models")


def test_one_that_waits_ends_at_once(ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    run = answering(ada)
    with django_capture_on_commit_callbacks(execute=True):
        assert actions.stop_generation(candidates(run)[1].pk)
    assert [row.status for row in candidates(run)] == ["queued", "cancelled", "queued"]
    assert [event.generation["id"] for event in said if isinstance(event, GenerationCancelled)] == [
        str(candidates(run)[1].pk)
    ]
    assert fresh(run).status == "answering"


def test_one_that_streams_ends_when_its_worker_sees_it_and_keeps_its_text(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    held, other = claimed(first), claimed(second)
    assert actions.stop_generation(first.pk)
    assert checkpoint(other, "goes on") is Hold.KEPT
    assert checkpoint(held, "so far") is Hold.STOPPED
    actions.halt(held, ending("so far"))
    assert (fresh(first).status, fresh(first).text, fresh(first).tokens_out) == ("cancelled", "so far", 4)
    assert actions.complete(other, ending())
    complete(third)
    assert actions.settle(run.pk)
    assert fresh(run).outcome == "degraded"


def test_stopping_it_again_changes_nothing(ada: Any) -> None:
    first = candidates(answering(ada))[0]
    claimed(first)
    assert actions.stop_generation(first.pk)
    assert not actions.stop_generation(first.pk)
    assert not actions.stop_generation(uuid.uuid4())


def test_one_that_has_ended_stays_as_it_is(ada: Any) -> None:
    run = completed(ada)
    assert not any(actions.stop_generation(generation.pk) for generation in run.generations.all())
    assert {row.status for row in run.generations.all()} == {"completed"}


def test_stopping_the_last_one_lets_the_run_go_on_with_the_rest(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    complete(second)
    assert actions.stop_generation(third.pk)
    assert actions.settle(run.pk)


def test_stopping_all_of_them_one_by_one_is_stopping_the_run(ada: Any) -> None:
    run = answering(ada)
    for candidate in candidates(run):
        actions.stop_generation(candidate.pk)
    actions.settle(run.pk)
    assert (fresh(run).status, fresh(run).error_code) == ("cancelled", "")


def test_stopping_who_writes_the_final_answer_is_stopping_the_run(ada: Any) -> None:
    run = synthesizing(ada)
    held = claimed(synthesis(run))
    assert actions.stop_generation(synthesis(run).pk)
    assert checkpoint(held, "") is Hold.STOPPED
    actions.halt(held, ending("In sh"))
    actions.settle(run.pk)
    assert fresh(run).status == "cancelled"


def test_one_that_was_stopped_is_neither_claimed_nor_tried_again(ada: Any) -> None:
    first, second, _third = candidates(answering(ada))
    held = claimed(first)
    actions.stop_generation(first.pk)
    assert actions.fail(held, ending("some"), Failure("overloaded", "Overloaded.", tries=3)) is None
    assert (fresh(first).status, fresh(first).text) == ("cancelled", "some")
    actions.stop_generation(second.pk)
    assert actions.claim(second.pk) is None


def test_one_whose_worker_dies_or_leaves_meanwhile_is_stopped_all_the_same(ada: Any) -> None:
    first, second, _third = candidates(answering(ada, THREE))
    held = claimed(first)
    lose_lease(claimed(second))
    actions.stop_generation(first.pk)
    actions.stop_generation(second.pk)
    actions.release(held)
    assert actions.claim(first.pk) is None
    assert actions.stop_queued(Generation.objects.all()) == 1
    assert actions.expire_leases() == 1
    assert {fresh(first).status, fresh(second).status} == {"cancelled"}
