import random
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions
from runs.actions.joining import letter
from runs.events import RunFailed, RunSynthesizing
from runs.models import Generation, MultiModelRun
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
    lose_lease,
    started,
    synthesis,
    synthesizing,
)
from threads.models import Message

pytestmark = pytest.mark.usefixtures("models")


def test_nothing_happens_while_a_candidate_is_active(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    complete(second)
    assert not actions.settle(run.pk)
    claimed(third)
    assert not actions.settle(run.pk)
    assert fresh(run).status == "answering"


def test_nothing_happens_to_a_run_that_nobody_took_up(ada: Any) -> None:
    run = started(ada)
    assert not actions.settle(run.pk)
    assert fresh(run).status == "queued"


def test_nothing_happens_to_a_run_that_is_gone(db: None) -> None:
    assert not actions.settle(uuid.uuid4())


def test_two_or_more_drafts_make_a_synthesis_by_the_master(ada: Any) -> None:
    run = synthesizing(ada)
    assert (run.status, run.outcome) == ("synthesizing", "full")
    made = synthesis(run)
    assert (made.status, made.role, made.model_id, made.version) == ("queued", "master", run.master_model, 1)
    assert made.thread_id == run.thread_id


def test_the_letters_follow_from_the_stored_seed(ada: Any) -> None:
    run = synthesizing(ada)
    made = synthesis(run)
    order = candidates(run)
    random.Random(made.shuffle_seed).shuffle(order)
    assert made.labels == {"ABC"[index]: str(draft.pk) for index, draft in enumerate(order)}


def test_letters_go_on_after_z() -> None:
    assert [letter(index) for index in (0, 25, 26, 27, 51, 52, 701, 702)] == [
        "A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA",
    ]  # fmt: skip


def test_a_missing_draft_makes_the_outcome_degraded(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    break_down(second)
    complete(third)
    assert actions.settle(run.pk)
    assert fresh(run).outcome == "degraded"
    assert set(synthesis(run).labels.values()) == {str(first.pk), str(third.pk)}


@pytest.mark.parametrize(("text", "reason"), [("I cannot help.", "refusal"), ("", "stop"), (" \n", "stop")])
def test_a_refusal_and_an_empty_text_are_no_drafts(ada: Any, text: str, reason: str) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    complete(second, text, reason)
    complete(third)
    assert actions.settle(run.pk)
    assert fresh(run).outcome == "degraded"
    assert str(second.pk) not in synthesis(run).labels.values()


def test_a_text_cut_by_its_length_is_a_draft(ada: Any) -> None:
    run = answering(ada, THREE[:2])
    for candidate in candidates(run):
        complete(candidate, finish_reason="length")
    assert actions.settle(run.pk)


def test_one_draft_is_the_final_answer_labelled_as_that_models(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    break_down(first)
    complete(second, "Only I know.")
    break_down(third)
    assert not actions.settle(run.pk)
    run = fresh(run)
    assert (run.status, run.outcome, run.final.content) == ("completed", "single", "Only I know.")
    assert run.final.model_id == second.model_id
    assert not run.generations.filter(kind="synthesis").exists()


def test_a_master_alone_is_its_own_answer(ada: Any) -> None:
    run = answering(ada, THREE[:1])
    complete(candidates(run)[0], "Alone.")
    actions.settle(run.pk)
    assert (fresh(run).status, fresh(run).outcome, fresh(run).final.content) == ("completed", "single", "Alone.")


def test_without_a_draft_the_run_failed_and_names_each_cause(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    break_down(first, message="The key was refused.")
    complete(second, "I will not.", "refusal")
    break_down(third, message="It timed out.")
    assert not actions.settle(run.pk)
    run = fresh(run)
    assert (run.status, run.outcome, run.error_code, run.final) == ("failed", "none", "no_draft", None)
    assert "Swift One: The key was refused." in run.error_message
    assert "two: It declined to answer." in run.error_message
    assert "three: It timed out." in run.error_message


def test_a_synthesis_that_failed_fails_the_run_and_keeps_the_drafts(ada: Any) -> None:
    run = synthesizing(ada)
    break_down(synthesis(run), message="It was overloaded.")
    assert not actions.settle(run.pk)
    run = fresh(run)
    assert (run.status, run.error_code) == ("failed", "synthesis_failed")
    assert run.error_message == "Swift One could not write the final answer. It was overloaded."
    assert [candidate.status for candidate in candidates(run)] == ["completed"] * 3


def test_settling_again_changes_nothing(ada: Any) -> None:
    run = synthesizing(ada)
    assert not actions.settle(run.pk)
    assert Generation.objects.filter(run=run, kind="synthesis").count() == 1


def test_it_says_that_the_synthesis_begins_and_which_letter_each_draft_has(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    run = answering(ada)
    for candidate in candidates(run):
        complete(candidate)
    with django_capture_on_commit_callbacks(execute=True):
        actions.settle(run.pk)
    assert [type(event) for event in said] == [RunSynthesizing]
    assert sorted(g["label"] for g in said[0].run["generations"] if g["kind"] == "candidate") == ["A", "B", "C"]


def test_it_says_that_the_run_failed(ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    run = answering(ada, THREE[:1])
    break_down(candidates(run)[0])
    with django_capture_on_commit_callbacks(execute=True):
        actions.settle(run.pk)
    assert [event.run["status"] for event in said if isinstance(event, RunFailed)] == ["failed"]


@pytest.mark.django_db(transaction=True)
def test_of_joins_at_the_same_moment_one_makes_the_synthesis(ada: Any, said: list[Any]) -> None:
    run = answering(ada)
    for candidate in candidates(run):
        complete(candidate)
    made = race(*[lambda: actions.settle(run.pk)] * 5)
    synthesis = Generation.objects.get(run=run, kind="synthesis")
    assert sorted(made, key=str) == sorted([None] * 4 + [synthesis], key=str)


def drafts_are_there(owner: Any) -> MultiModelRun:
    run = answering(owner)
    for candidate in candidates(run):
        complete(candidate)
    return run


def test_who_wants_to_write_the_synthesis_has_its_lease_as_if_it_had_claimed_it(ada: Any) -> None:
    other = synthesizing(ada)
    by_claim = claimed(synthesis(other))
    run = drafts_are_there(ada)
    taken = actions.settle(run.pk, take=True)
    assert taken
    assert taken.lease_owner
    row, expected = fresh(taken), fresh(by_claim.generation)
    for name in ("status", "attempt", "failures", "next_retry_at", "queued_at", "waiting_for", "text", "sent_prompt"):
        assert getattr(row, name) == getattr(expected, name), name
    lease, as_claimed = row.lease_expires_at - row.started_at, expected.lease_expires_at - expected.started_at
    assert abs(lease - as_claimed) < timedelta(seconds=1)
    held = actions.Claim(taken, taken.lease_owner)
    assert checkpoint(held, "So far") is actions.Hold.KEPT
    assert actions.claim(taken.pk) is None
    assert actions.complete(held, ending("In short."))
    assert (fresh(run).status, fresh(run).final.content) == ("completed", "In short.")


def test_its_lease_is_lost_as_any_other(ada: Any) -> None:
    taken = actions.settle(drafts_are_there(ada).pk, take=True)
    assert taken
    assert taken.lease_owner
    held = actions.Claim(taken, taken.lease_owner)
    lose_lease(held)
    assert actions.expire_leases() == 1
    again = claimed(fresh(taken))
    assert again.generation.attempt == 2
    assert not actions.complete(held, ending("Too late."))


def test_nobody_takes_a_synthesis_before_which_a_limit_stands_or_whose_time_is_over(ada: Any, settings: Any) -> None:
    settings.PROVIDER_LIMITS = {"swift": {"at_once": 1, "per_minute": None}}
    limited = actions.settle(drafts_are_there(ada).pk, take=True)
    settings.PROVIDER_LIMITS = {}
    run = drafts_are_there(ada)
    change(run, deadline_at=Now() - AGO)
    over = actions.settle(run.pk, take=True)
    for made in (limited, over):
        assert made
        assert (fresh(made).status, fresh(made).lease_owner) == ("queued", None)


@pytest.mark.django_db(transaction=True)
def test_last_drafts_that_end_at_the_same_moment_never_miss_the_join(ada: Any, said: list[Any]) -> None:
    for _ in range(8):
        run = answering(ada)
        held = [claimed(candidate) for candidate in candidates(run)]

        def finish(one: actions.Claim, run: MultiModelRun = run) -> Generation | None:
            assert actions.complete(one, ending())
            return actions.settle(run.pk)

        results = race(*[lambda one=one: finish(one) for one in held])
        assert results.count(None) == len(held) - 1, results
        assert fresh(run).status == "synthesizing"


@pytest.mark.django_db(transaction=True)
def test_of_joins_of_one_draft_at_the_same_moment_one_final_answer_stands(ada: Any, said: list[Any]) -> None:
    run = answering(ada, THREE[:1])
    complete(candidates(run)[0])
    assert race(*[lambda: actions.settle(run.pk)] * 4) == [None] * 4
    assert Message.objects.filter(kind="final").count() == 1
    assert fresh(run).status == "completed"


def test_a_late_word_of_a_failed_synthesis_does_not_end_the_run_that_began_again(ada: Any, monkeypatch: Any) -> None:
    """The sweeper read the failed synthesis, a person tried again, and only then the sweeper wrote."""
    from runs.actions import joining

    run = synthesizing(ada)
    break_down(synthesis(run))
    end = joining.fail_run

    def late(*about: Any) -> bool:
        monkeypatch.undo()
        assert actions.settle(run.pk) is None
        assert actions.retry(run.pk)
        return end(*about)

    monkeypatch.setattr(joining, "fail_run", late)
    actions.settle(run.pk)
    assert fresh(run).status == "queued"
