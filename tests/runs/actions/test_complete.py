from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs import actions
from runs.events import GenerationCompleted, RunCompleted
from runs.models import MultiModelRun
from tests.racing import race
from tests.runs.rows import (
    answering,
    candidates,
    checkpoint,
    claimed,
    complete,
    completed,
    ending,
    fresh,
    lose_lease,
    started,
    synthesis,
)
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


def drafts(claims: list[actions.Claim]) -> list[tuple[actions.Claim, actions.Ending]]:
    return [(held, ending(f"Draft {number}")) for number, held in enumerate(claims)]


def test_many_drafts_that_end_together_stand_as_if_each_had_ended_alone(ada: Any) -> None:
    alone, together = answering(ada), answering(ada)
    claims = [claimed(candidate) for candidate in candidates(together)]
    for held, end in drafts([claimed(candidate) for candidate in candidates(alone)]):
        assert actions.complete(held, end)
    assert actions.complete_drafts(drafts(claims)) == claims
    for one, other in zip(candidates(alone), candidates(together), strict=True):
        for name in ("status", "text", "finish_reason", "tokens_in", "tokens_out", "cost", "lease_owner", "late"):
            assert getattr(one, name) == getattr(other, name), name
        assert (other.first_token_at - other.started_at).total_seconds() == pytest.approx(0.25, abs=0.002)
        message = other.message
        assert (message.content, message.thread_id, message.parent_id) == (
            other.text,
            other.thread_id,
            together.prompt_id,
        )
        assert (message.position, message.kind, message.role) == (one.message.position, "draft", "assistant")
        assert message.model_id == other.model_id
        assert other.thread.updated_at > other.thread.created_at
    assert actions.settle(together.pk)


def test_many_drafts_end_in_a_few_queries_and_one_for_each(ada: Any) -> None:
    counted = []
    for runs in (1, 3):
        claims = [claimed(candidate) for _ in range(runs) for candidate in candidates(answering(ada))]
        with CaptureQueriesContext(connection) as queries:
            assert all(actions.complete_drafts(drafts(claims)))
        counted.append(len([query for query in queries if "SAVEPOINT" not in query["sql"]]) - len(claims))
    assert counted == [6, 6]


def test_each_of_many_drafts_is_told_with_its_whole_text_and_when_it_ended(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    claims = [claimed(candidate) for candidate in candidates(answering(ada))]
    with django_capture_on_commit_callbacks(execute=True):
        actions.complete_drafts(drafts(claims))
    told = [event.generation for event in said if isinstance(event, GenerationCompleted)]
    assert [view["text"] for view in told] == ["Draft 0", "Draft 1", "Draft 2"]
    assert [view["status"] for view in told] == ["completed"] * 3
    assert all(view["seconds"] is not None and view["first_token_seconds"] for view in told)


def test_among_many_drafts_those_that_must_not_be_kept_are_not(ada: Any, django_user_model: Any) -> None:
    good, lost, over = [claimed(candidate) for candidate in candidates(answering(ada))]
    lose_lease(lost)
    actions.expire_leases()
    assert actions.complete(over, ending("Once."))
    deleted, _, _ = [claimed(candidate) for candidate in candidates(answering(ada))]
    deleted.generation.thread.delete()
    asked = drafts([lost, good, over, deleted])
    assert actions.complete_drafts(asked) == [None, good, None, None]
    assert sorted(Message.objects.filter(kind="draft").values_list("content", flat=True)) == ["Draft 1", "Once."]
    assert fresh(lost.generation).status == "queued"


def test_drafts_of_one_thread_that_end_together_take_a_place_each(ada: Any) -> None:
    """The master's draft stands in the conversation, and a straggler of an earlier run may end with it."""
    run = answering(ada)
    straggler, *others = candidates(run)
    late = claimed(straggler)
    for other in others:
        complete(other)
    actions.request_synthesis(run.pk)
    actions.settle(run.pk)
    assert actions.complete(claimed(synthesis(run)), ending("Final."))
    again = started(ada, thread=run.thread, prompt="And?")
    actions.take_up(again.pk)
    master = claimed(candidates(again)[0])
    assert master.generation.thread_id == late.generation.thread_id
    assert all(actions.complete_drafts(drafts([late, master])))
    places = list(run.thread.messages.values_list("position", flat=True))
    assert sorted(places) == list(range(len(places)))
    assert (fresh(late.generation).late, fresh(master.generation).late) == (True, False)


@pytest.mark.django_db(transaction=True)
def test_drafts_that_end_together_and_one_by_one_at_the_same_moment_all_stand_once(ada: Any, said: list[Any]) -> None:
    for _ in range(5):
        claims = [claimed(candidate) for candidate in candidates(answering(ada))]
        Message.objects.filter(kind="draft").delete()
        asked = drafts(claims)
        alone, together = race(
            lambda: [actions.complete(*each) for each in asked],  # noqa: B023
            lambda: actions.complete_drafts(asked),  # noqa: B023
        )
        for one, other in zip(alone, together, strict=True):
            assert one + bool(other) <= 1
        missing = [each for each, one, other in zip(asked, alone, together, strict=True) if not (one or other)]
        assert all(actions.complete(*each) for each in missing)
        assert Message.objects.filter(kind="draft").count() == 3
