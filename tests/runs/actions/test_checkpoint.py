from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions
from runs.actions import Hold
from tests.runs.rows import AGO, answering, candidates, change, claimed, fresh, lose_lease

pytestmark = pytest.mark.usefixtures("models")


def test_it_keeps_the_text_and_renews_the_lease(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    lose_lease(held)
    assert actions.checkpoint(held, "So far") is Hold.KEPT
    row = fresh(held.generation)
    assert row.text == "So far"
    assert row.lease_expires_at > row.started_at


def test_it_stores_exactly_the_prompt_that_is_sent(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    turns = [{"role": "user", "content": "Why? <b>&\n\u2028"}]
    assert actions.store_prompt(held, turns) is Hold.KEPT
    assert fresh(held.generation).sent_prompt == turns


def test_it_tells_the_worker_that_somebody_asked_to_stop(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    actions.request_cancel(run.pk)
    assert actions.checkpoint(held, "So far") is Hold.STOPPED
    assert fresh(held.generation).text == ""


def test_it_tells_the_worker_that_another_one_has_the_generation(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    first = claimed(candidate)
    lose_lease(first)
    actions.expire_leases()
    second = claimed(candidate)
    assert actions.checkpoint(second, "second") is Hold.KEPT
    assert actions.checkpoint(first, "first") is Hold.LOST
    assert actions.store_prompt(first, []) is Hold.LOST
    assert fresh(candidate).text == "second"


def test_it_tells_the_worker_that_the_thread_was_deleted(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[1])
    run.thread.delete()
    assert actions.checkpoint(held, "So far") is Hold.LOST


def test_a_late_checkpoint_after_the_deadline_ended_it_writes_nothing(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    change(run, deadline_at=Now() - AGO)
    actions.fail_overdue()
    assert actions.checkpoint(held, "late") is Hold.LOST
    assert fresh(held.generation).text == ""
