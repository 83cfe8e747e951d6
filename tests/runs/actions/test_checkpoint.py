import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from runs import actions
from runs.actions import Claim, Hold, Progress, Thoughts
from runs.models import Generation
from tests.racing import race
from tests.runs.rows import AGO, answering, candidates, change, checkpoint, claimed, fresh, lose_lease

pytestmark = pytest.mark.usefixtures("models")


def test_it_keeps_the_text_and_renews_the_lease(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    lose_lease(held)
    assert checkpoint(held, "So far") is Hold.KEPT
    row = fresh(held.generation)
    assert row.text == "So far"
    assert row.lease_expires_at > row.started_at


def test_it_keeps_new_thoughts_and_leaves_old_ones(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    checkpoint(held, "", Thoughts("Hm", shortened=True, seconds=1.5))
    checkpoint(held, "So")
    row = fresh(held.generation)
    assert (row.text, row.reasoning, row.reasoning_shortened, row.reasoning_seconds) == ("So", "Hm", True, 1.5)


def test_a_new_attempt_thinks_anew(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    checkpoint(held, "", Thoughts("Hm", shortened=True, seconds=1.5))
    actions.release(held)
    again = claimed(held.generation).generation
    assert (again.reasoning, again.reasoning_shortened, again.reasoning_seconds) == ("", False, None)


def test_a_worker_without_a_lease_writes_no_thoughts(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    actions.release(held)
    checkpoint(held, "", Thoughts("zombie"))
    assert fresh(held.generation).reasoning == ""


def test_it_stores_exactly_the_prompt_that_is_sent(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    turns = [{"role": "user", "content": "Why? <b>&\n\u2028"}]
    assert checkpoint(held, "So", prompt=turns) is Hold.KEPT
    assert checkpoint(held, "So far") is Hold.KEPT
    assert fresh(held.generation).sent_prompt == turns


def test_it_tells_the_worker_that_somebody_asked_to_stop(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    actions.request_cancel(run.pk)
    assert checkpoint(held, "So far") is Hold.STOPPED
    assert fresh(held.generation).text == ""


def test_it_tells_the_worker_that_another_one_has_the_generation(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    first = claimed(candidate)
    lose_lease(first)
    actions.expire_leases()
    second = claimed(candidate)
    assert checkpoint(second, "second") is Hold.KEPT
    assert checkpoint(first, "first") is Hold.LOST
    assert checkpoint(first, "first", prompt=[]) is Hold.LOST
    assert fresh(candidate).sent_prompt is None
    assert fresh(candidate).text == "second"


def test_it_tells_the_worker_that_the_thread_was_deleted(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[1])
    run.thread.delete()
    assert checkpoint(held, "So far") is Hold.LOST


def test_a_late_checkpoint_after_the_deadline_ended_it_writes_nothing(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    change(run, deadline_at=Now() - AGO)
    actions.fail_overdue()
    assert checkpoint(held, "late") is Hold.LOST
    assert fresh(held.generation).text == ""


def test_many_texts_are_saved_in_as_many_queries_as_one(ada: Any) -> None:
    claims = [claimed(candidate) for candidate in candidates(answering(ada))]
    with CaptureQueriesContext(connection) as one:
        assert actions.checkpoint_all({claims[0]: Progress("one")}) == {claims[0]: Hold.KEPT}
    with CaptureQueriesContext(connection) as many:
        holds = actions.checkpoint_all({held: Progress(f"text {index}") for index, held in enumerate(claims)})
    assert len(many) == len(one)
    assert set(holds.values()) == {Hold.KEPT}
    assert [fresh(held.generation).text for held in claims] == ["text 0", "text 1", "text 2"]


def test_among_many_each_is_told_what_its_own_claim_is_worth(ada: Any, bob: Any) -> None:
    first, second, third = (claimed(candidate) for candidate in candidates(answering(ada)))
    stopped = claimed(candidates(answering(bob))[0])
    lose_lease(first)
    actions.expire_leases()
    again = claimed(first.generation)
    actions.stop_generation(second.generation.pk)
    actions.request_cancel(stopped.generation.run_id)
    texts = {first: "zombie", again: "again", second: "second", third: "third", stopped: "stopped"}
    assert actions.checkpoint_all({held: Progress(text) for held, text in texts.items()}) == {
        first: Hold.LOST,
        again: Hold.KEPT,
        second: Hold.STOPPED,
        third: Hold.KEPT,
        stopped: Hold.STOPPED,
    }
    assert [fresh(held.generation).text for held in texts] == ["again", "again", "", "third", ""]


def test_each_lease_is_renewed(ada: Any) -> None:
    claims = [claimed(candidate) for candidate in candidates(answering(ada))]
    for held in claims:
        lose_lease(held)
    actions.checkpoint_all(dict.fromkeys(claims, Progress("x")))
    assert not actions.expire_leases()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_else_writes_to_holds_up_nobody(ada: Any) -> None:
    for _ in range(4):
        first, second, _third = (claimed(candidate) for candidate in candidates(answering(ada)))
        ended, holds = race(
            lambda: actions.complete(first, actions.Ending(text="whole")),  # noqa: B023
            lambda: actions.checkpoint_all({first: Progress("part"), second: Progress("part")}),  # noqa: B023
        )
        assert ended
        assert holds[second] is Hold.KEPT
        assert (fresh(first.generation).status, fresh(first.generation).text) == ("completed", "whole")
        actions.request_cancel(first.generation.run_id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks the whole database")
def test_a_row_that_stays_locked_is_left_for_the_next_time(ada: Any) -> None:
    first, second, _third = (claimed(candidate) for candidate in candidates(answering(ada)))
    locked, saved = threading.Event(), threading.Event()

    def sit_on_it() -> None:
        with transaction.atomic():
            Generation.objects.select_for_update().get(pk=first.generation.pk)
            locked.set()
            assert saved.wait(10)

    def save() -> dict[Claim, Hold]:
        assert locked.wait(10)
        try:
            return actions.checkpoint_all({first: Progress("one"), second: Progress("two")})
        finally:
            saved.set()

    _nothing, holds = race(sit_on_it, save)
    assert holds == {first: Hold.BUSY, second: Hold.KEPT}
    assert [fresh(held.generation).text for held in (first, second)] == ["", "two"]
