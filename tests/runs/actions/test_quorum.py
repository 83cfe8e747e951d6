"""The final answer without those who are still writing."""

from datetime import timedelta
from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.utils import timezone

from runs import actions
from runs.actions import NoDraftYet, Quorum
from runs.actions.joining import _may_join, gave_a_draft, joinable
from runs.models import MultiModelRun
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
    ending,
    fresh,
    started,
    synthesis,
)
from threads.actions import create_thread

pytestmark = pytest.mark.usefixtures("models")


def asked_with(owner: Any, quorum: Quorum, models: tuple[str, ...] = THREE) -> MultiModelRun:
    """A run with this quorum whose candidates wait for a worker each."""
    run, _new = actions.start_run(
        owner, create_thread(owner), "Why?", master=models[0], secondaries=models[1:], quorum=quorum
    )
    assert actions.take_up(run.pk) is not None
    return fresh(run)


def past_soft_deadline(run: MultiModelRun) -> None:
    change(run, soft_deadline_at=Now() - AGO)


STATES: dict[str, dict[str, str]] = {
    "queued": {"status": "queued"},
    "streaming": {"status": "streaming", "text": "Bec"},
    "whole": {"status": "completed", "text": "Because."},
    "refused": {"status": "completed", "text": "No.", "finish_reason": "refusal"},
    "failed": {"status": "failed"},
    "stopped": {"status": "cancelled", "text": "Bec"},
}
EMPTY = {"status": "", "text": "", "finish_reason": ""}


def test_the_sweeper_looks_for_those_that_the_join_lets_go_on(ada: Any) -> None:
    """The rule stands twice: as a query over all runs, and in Python for the one whose rows are held."""
    run = asked_with(ada, Quorum())
    rows = candidates(run)
    now = timezone.now()
    deadlines = (None, now - AGO, now + AGO)
    differences = []
    for states in combinations_with_replacement(STATES, 3):
        for row, state in zip(rows, states, strict=True):
            change(row, **EMPTY | STATES[state])
        for deadline, minimum, asked in product(deadlines, (1, 2, 3), (None, now)):
            change(run, soft_deadline_at=deadline, minimum=minimum, synthesis_requested_at=asked)
            found = joinable().filter(pk=run.pk).exists()
            current = candidates(run)
            drafts = sum(gave_a_draft(each) for each in current)
            if found != _may_join(fresh(run), current, drafts, now):
                differences.append((states, deadline, minimum, asked, found))
    assert differences == []


def test_before_the_soft_deadline_everybody_is_waited_for(ada: Any) -> None:
    run = asked_with(ada, Quorum(minimum=1, soft_deadline=60))
    first, second, _third = candidates(run)
    complete(first)
    complete(second)
    assert not actions.settle(run.pk)
    assert actions.unsettled() == []


def test_after_the_soft_deadline_the_answer_begins_with_what_is_there(ada: Any) -> None:
    run = asked_with(ada, Quorum(minimum=2, soft_deadline=60))
    first, second, _third = candidates(run)
    complete(first)
    past_soft_deadline(run)
    assert not actions.settle(run.pk), "one draft is less than the minimum"
    complete(second)
    assert actions.unsettled() == [run.pk], "the sweeper sees it too"
    assert actions.settle(run.pk)
    run = fresh(run)
    assert (run.status, run.outcome) == ("synthesizing", "degraded")
    assert set(synthesis(run).labels.values()) == {str(first.pk), str(second.pk)}


def test_a_soft_deadline_of_nothing_begins_with_the_first_drafts(ada: Any) -> None:
    run = asked_with(ada, Quorum(minimum=2, soft_deadline=0))
    first, second, _third = candidates(run)
    complete(first)
    assert not actions.settle(run.pk)
    complete(second)
    assert actions.settle(run.pk)


def test_refusals_and_failures_do_not_count(ada: Any) -> None:
    run = asked_with(ada, Quorum(minimum=2, soft_deadline=0))
    first, second, third = candidates(run)
    complete(first)
    complete(second, finish_reason="refusal")
    assert not actions.settle(run.pk)
    break_down(third)
    actions.settle(run.pk)
    run = fresh(run)
    assert (run.status, run.outcome, run.error_code) == ("failed", "none", "too_few_drafts")
    assert "1 answered; this run asks for 2 answers at least." in run.error_message
    assert "The key was refused." in run.error_message
    assert "declined" in run.error_message


def test_one_draft_at_the_soft_deadline_is_a_single_answer(ada: Any) -> None:
    run = asked_with(ada, Quorum(soft_deadline=60))
    complete(candidates(run)[1], "Alone.")
    past_soft_deadline(run)
    assert not actions.settle(run.pk)
    run = fresh(run)
    assert (run.status, run.outcome, run.final.content) == ("completed", "single", "Alone.")


def test_a_straggler_is_kept_and_is_late(ada: Any) -> None:
    run = asked_with(ada, Quorum(minimum=2, soft_deadline=0))
    first, second, third = candidates(run)
    held = claimed(third)
    complete(first)
    complete(second)
    assert actions.settle(run.pk)
    assert checkpoint(held, "still") is actions.Hold.KEPT
    assert actions.complete(claimed(synthesis(run)), ending("In short."))
    assert actions.complete(held, ending("Better late than never."))
    row = fresh(third)
    assert (row.status, row.late, row.message.content) == ("completed", True, "Better late than never.")
    assert [fresh(each).late for each in (first, second)] == [False, False]
    assert fresh(run).status == "completed"


def test_a_straggler_that_failed_once_is_tried_again_after_the_end(ada: Any) -> None:
    run = asked_with(ada, Quorum(soft_deadline=0), THREE[:2])
    first, second = candidates(run)
    held = claimed(second)
    complete(first)
    actions.settle(run.pk)
    assert fresh(run).status == "completed"
    assert actions.fail(held, ending(""), actions.Failure("overloaded", "", tries=3)) is not None
    complete(second, "At last.")
    assert fresh(second).late


def test_a_straggler_past_the_deadline_is_ended(ada: Any) -> None:
    run = asked_with(ada, Quorum(soft_deadline=0), THREE[:2])
    first, second = candidates(run)
    claimed(second)
    complete(first)
    actions.settle(run.pk)
    change(run, deadline_at=Now() - AGO)
    assert actions.fail_overdue() == 1
    assert (fresh(second).status, fresh(second).error_code, fresh(run).status) == ("failed", "timeout", "completed")


@pytest.mark.django_db(transaction=True)
def test_a_draft_that_lands_at_the_moment_of_the_join_is_in_the_answer_or_late(ada: Any, said: list[Any]) -> None:
    for _ in range(8):
        run = asked_with(ada, Quorum(minimum=2, soft_deadline=0))
        first, second, third = candidates(run)
        complete(first)
        complete(second)
        held = claimed(third)
        race(lambda: actions.settle(run.pk), lambda: actions.complete(held, ending()))  # noqa: B023
        actions.settle(run.pk)
        row = fresh(third)
        assert row.status == "completed"
        assert (str(third.pk) in synthesis(run).labels.values()) != row.late


def test_asking_for_the_answer_now_begins_it_with_what_is_there(ada: Any) -> None:
    run = asked_with(ada, Quorum(minimum=3))
    first, second, _third = candidates(run)
    complete(first)
    complete(second)
    assert not actions.settle(run.pk)
    assert actions.request_synthesis(run.pk)
    assert actions.settle(run.pk), "a person may ask for less than the minimum"
    assert fresh(run).outcome == "degraded"
    assert not actions.request_synthesis(run.pk), "it waits no longer"


def test_asking_for_the_answer_before_any_draft_is_refused(ada: Any) -> None:
    run = answering(ada)
    with pytest.raises(NoDraftYet):
        actions.request_synthesis(run.pk)
    complete(candidates(run)[0], finish_reason="refusal")
    with pytest.raises(NoDraftYet):
        actions.request_synthesis(run.pk)
    assert fresh(run).synthesis_requested_at is None


def test_asking_for_the_answer_of_a_run_that_nobody_took_up_changes_nothing(ada: Any) -> None:
    run = started(ada)
    assert not actions.request_synthesis(run.pk)


@pytest.mark.parametrize(
    ("quorum", "words"),
    [
        (Quorum(minimum=0), "from 1"),
        (Quorum(minimum=4), "3 models are asked"),
        (Quorum(soft_deadline=-1), "soft deadline"),
        (Quorum(soft_deadline=601), "600"),
    ],
)
def test_a_quorum_that_cannot_be_met_is_refused(ada: Any, quorum: Quorum, words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        asked_with(ada, quorum)
    assert words in " ".join(refusal.value.messages)


def test_the_soft_deadline_is_measured_by_the_database(ada: Any) -> None:
    run = asked_with(ada, Quorum(soft_deadline=30))
    rows = MultiModelRun.objects.filter(soft_deadline_at__gt=Now() + timedelta(seconds=25))
    assert rows.filter(soft_deadline_at__lte=Now() + timedelta(seconds=30)).get() == run
