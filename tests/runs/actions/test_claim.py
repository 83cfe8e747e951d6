import uuid
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from runs import actions
from runs.actions import Claim
from runs.events import GenerationRequeued, GenerationRestarted, GenerationStarted
from tests.racing import race
from tests.runs.rows import (
    AGO,
    answering,
    candidates,
    change,
    checkpoint,
    claimed,
    fresh,
    lose_lease,
    started,
    synthesis,
)
from tests.runs.rows import synthesizing as synthesizing_run

pytestmark = pytest.mark.usefixtures("models")


def test_it_begins_an_attempt_with_a_lease_and_an_empty_text(ada: Any, settings: Any) -> None:
    settings.LEASE_SECONDS = 30
    candidate = candidates(answering(ada))[0]
    change(candidate, text="old", error_code="old", error_message="old")
    held = claimed(candidate)
    row = fresh(candidate)
    assert (row.status, row.attempt, row.text, row.error_code) == ("streaming", 1, "", "")
    assert row.lease_owner == held.owner
    assert 29 < (row.lease_expires_at - row.started_at).total_seconds() < 31
    assert row.next_retry_at is None


def test_of_two_claims_one_wins(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    claimed(candidate)
    assert actions.claim(candidate.pk) is None
    assert fresh(candidate).attempt == 1


def test_a_candidate_of_a_run_that_nobody_took_up_is_not_wanted_yet(ada: Any) -> None:
    assert actions.claim(candidates(started(ada))[0].pk) is None


def test_a_candidate_past_its_runs_deadline_is_not_wanted(ada: Any) -> None:
    run = answering(ada)
    change(run, deadline_at=Now() - AGO)
    assert actions.claim(candidates(run)[0].pk) is None


def test_a_candidate_of_a_run_that_was_asked_to_stop_is_not_wanted(ada: Any) -> None:
    run = answering(ada)
    change(run, cancel_requested_at=Now())
    assert actions.claim(candidates(run)[0].pk) is None


def test_a_synthesis_is_wanted_while_the_run_synthesizes(ada: Any) -> None:
    run = synthesizing_run(ada)
    assert actions.claim(synthesis(run).pk) is not None


def test_a_generation_that_is_gone_is_nothing(db: None) -> None:
    assert actions.claim(uuid.uuid4()) is None


def test_it_says_started_the_first_time_and_restarted_after(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    candidate = candidates(answering(ada))[0]
    with django_capture_on_commit_callbacks(execute=True):
        actions.release(claimed(candidate))
    with django_capture_on_commit_callbacks(execute=True):
        claimed(candidate)
    assert [type(event) for event in said] == [GenerationStarted, GenerationRequeued, GenerationRestarted]
    assert [said[0].attempt, said[2].attempt] == [1, 2]


def test_a_lease_that_ran_out_goes_to_the_next_claim_with_another_owner(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    first = claimed(candidate)
    lose_lease(first)
    assert actions.claim(candidate.pk) is None, "only the sweeper takes a lease back"
    assert actions.expire_leases() == 1
    second = claimed(candidate)
    assert second.owner != first.owner
    assert fresh(candidate).attempt == 2


def test_many_are_claimed_in_as_many_queries_as_one(ada: Any) -> None:
    rows = [candidate for _ in range(4) for candidate in candidates(answering(ada))]
    with CaptureQueriesContext(connection) as queries:
        claims = actions.claim_all([row.pk for row in rows])
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) == 2
    assert [held and held.generation.pk for held in claims] == [row.pk for row in rows]
    for held in filter(None, claims):
        row = fresh(held.generation)
        assert (row.status, row.attempt, row.lease_owner) == ("streaming", held.generation.attempt, held.owner)
        assert row.started_at == held.generation.started_at
        assert checkpoint(held, "So far") is actions.Hold.KEPT


def test_another_attempt_begins_without_the_prompt_of_the_one_before(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    checkpoint(held, "So", prompt=[{"role": "user", "content": "Why?"}])
    actions.release(held)
    claimed(held.generation)
    assert fresh(held.generation).sent_prompt is None


def test_many_that_are_claimed_differ_in_their_attempts(ada: Any) -> None:
    first, second, _third = candidates(answering(ada))
    actions.release(claimed(second))
    claims = actions.claim_all([first.pk, second.pk])
    assert [held and held.generation.attempt for held in claims] == [1, 2]
    assert [fresh(row).attempt for row in (first, second)] == [1, 2]


def test_among_many_those_that_must_not_be_claimed_are_not(ada: Any, settings: Any) -> None:
    settings.PROVIDER_LIMITS = {"lost": {"at_once": 1, "per_minute": None}}
    free, taken, limited = candidates(answering(ada))
    claimed(taken)
    change(limited, model_id="lost:key")
    stopped = candidates(answering(ada))[0]
    change(stopped.run, cancel_requested_at=Now())
    waiting = candidates(started(ada))[0]
    asked = [row.pk for row in (free, taken, limited, stopped, waiting)] + [uuid.uuid4()]
    given, *others = actions.claim_all(asked)
    assert given
    assert (given.generation.pk, others) == (free.pk, [None] * 5)
    assert [fresh(row).status for row in (limited, stopped, waiting)] == ["queued"] * 3
    assert actions.claim(limited.pk) is not None


def test_of_two_who_ask_for_one_the_first_is_given_it(ada: Any) -> None:
    wanted = candidates(answering(ada))[0].pk
    first, second = actions.claim_all([wanted, wanted])
    assert first
    assert second is None


@pytest.mark.django_db(transaction=True)
def test_of_claims_of_many_at_the_same_moment_one_wins_each(ada: Any, said: list[Any]) -> None:
    rows = candidates(answering(ada))
    ids = [row.pk for row in rows]
    results = race(*[lambda: actions.claim_all(ids)] * 4)
    won = [claim for result in results for claim in result if claim]
    assert sorted(claim.generation.pk for claim in won) == sorted(ids)
    for claim in won:
        assert fresh(claim.generation).lease_owner == claim.owner


@pytest.mark.django_db(transaction=True)
def test_of_claims_at_the_same_moment_one_wins(ada: Any, said: list[Any]) -> None:
    candidate = candidates(answering(ada))[0]
    results = race(*[lambda: actions.claim(candidate.pk)] * 6)
    winners = [result for result in results if isinstance(result, Claim)]
    assert len(winners) == 1
    assert [result for result in results if result not in winners] == [None] * 5
    row = fresh(candidate)
    assert (row.attempt, row.lease_owner) == (1, winners[0].owner)


@pytest.mark.django_db(transaction=True)
def test_a_claim_and_a_stop_at_the_same_moment_leave_one_state(ada: Any, said: list[Any]) -> None:
    for _ in range(5):
        run = answering(ada)
        candidate = candidates(run)[0]
        claim, stopped = race(lambda: actions.claim(candidate.pk), lambda: actions.request_cancel(run.pk))  # noqa: B023
        assert stopped is True
        row = fresh(candidate)
        if isinstance(claim, Claim):
            assert (row.status, checkpoint(claim, "x")) == ("streaming", actions.Hold.STOPPED)
        else:
            assert (claim, row.status) == (None, "cancelled")
