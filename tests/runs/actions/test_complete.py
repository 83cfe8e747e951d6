from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from runs import actions
from runs.events import GenerationCompleted, RunCompleted
from runs.models import MultiModelRun
from tests.racing import race
from tests.runs.rows import answering, candidates, checkpoint, claimed, completed, ending, fresh, synthesis
from tests.runs.rows import synthesizing as synthesizing_run
from threads.models import Message

pytestmark = pytest.mark.usefixtures("models")


def test_a_candidates_text_becomes_a_draft_in_its_own_thread(ada: Any) -> None:
    run = answering(ada)
    for candidate in candidates(run):
        assert actions.complete(claimed(candidate), ending(f"I am {candidate.position}"))
        row = fresh(candidate)
        assert (row.status, row.text, row.finish_reason) == ("completed", f"I am {candidate.position}", "stop")
        assert (row.message.thread_id, row.message.kind, row.message.content) == (row.thread_id, "draft", row.text)
        assert (row.lease_owner, row.lease_expires_at) == (None, None)


def test_it_keeps_tokens_times_and_what_it_cost(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    actions.complete(claimed(candidate), ending())
    row = fresh(candidate)
    assert (row.tokens_in, row.tokens_out, row.cost) == (10, 4, Decimal("0.00002"))
    assert (row.first_token_at - row.started_at).total_seconds() == pytest.approx(0.25, abs=0.002)
    assert row.ended_at >= row.started_at


@pytest.mark.parametrize("failed", [None, actions.Failure("auth", "No."), actions.Failure("overloaded", "No.", None)])
def test_a_prompt_that_was_not_saved_yet_is_saved_with_the_end(ada: Any, failed: actions.Failure | None) -> None:
    candidate = candidates(answering(ada))[0]
    prompt = [{"role": "user", "content": "Why? <b>&\n\u2028"}]
    brought = replace(ending(), prompt=prompt)
    if failed is None:
        actions.complete(claimed(candidate), brought)
    else:
        actions.fail(claimed(candidate), brought, failed)
    assert fresh(candidate).sent_prompt == prompt


def test_a_prompt_that_was_saved_stays(ada: Any) -> None:
    held = claimed(candidates(answering(ada))[0])
    checkpoint(held, "", prompt=[{"role": "user", "content": "Why?"}])
    actions.complete(held, ending())
    assert fresh(held.generation).sent_prompt == [{"role": "user", "content": "Why?"}]


def test_an_unknown_price_is_an_unknown_cost(ada: Any) -> None:
    candidate = candidates(answering(ada))[1]
    actions.complete(claimed(candidate), ending())
    assert fresh(candidate).cost is None


def test_a_synthesis_ends_the_run_with_its_text_as_the_final_answer(ada: Any) -> None:
    run = completed(ada)
    assert (run.status, run.outcome, run.final.content) == ("completed", "full", "In short: because.")
    assert (run.final.kind, run.final.thread_id, run.final.parent_id) == ("final", run.thread_id, run.prompt_id)
    assert run.final.model_id == run.master_model


def test_it_says_so_with_the_whole_text(ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    run = answering(ada)
    with django_capture_on_commit_callbacks(execute=True):
        actions.complete(claimed(candidates(run)[0]), ending("Whole."))
    assert [event.generation["text"] for event in said if isinstance(event, GenerationCompleted)] == ["Whole."]


def test_the_end_of_a_run_comes_with_its_message(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    run = synthesizing_run(ada)
    held = claimed(synthesis(run))
    with django_capture_on_commit_callbacks(execute=True):
        actions.complete(held, ending("Final."))
    ends = [event for event in said if isinstance(event, RunCompleted)]
    assert [(event.run["status"], event.message["content"]) for event in ends] == [("completed", "Final.")]


def test_a_synthesis_of_a_run_that_is_over_writes_nothing(ada: Any) -> None:
    run = synthesizing_run(ada)
    held = claimed(synthesis(run))
    MultiModelRun.objects.filter(pk=run.pk).update(status="failed")
    assert not actions.complete(held, ending("Late"))
    assert not Message.objects.filter(kind="final").exists()
    assert fresh(held.generation).status == "streaming"


@pytest.mark.django_db(transaction=True)
def test_two_deliveries_of_one_synthesis_make_one_final_answer(ada: Any, said: list[Any]) -> None:
    run = synthesizing_run(ada)
    held = claimed(synthesis(run))
    assert sorted(race(*[lambda: actions.complete(held, ending("Final."))] * 3)) == [False, False, True]
    assert Message.objects.filter(kind="final").count() == 1


@pytest.mark.django_db(transaction=True)
def test_three_drafts_that_end_at_the_same_moment_all_stand(ada: Any, said: list[Any]) -> None:
    run = answering(ada)
    held = [claimed(candidate) for candidate in candidates(run)]
    assert race(*[lambda one=one: actions.complete(one, ending()) for one in held]) == [True] * 3
    assert Message.objects.filter(kind="draft").count() == 3
