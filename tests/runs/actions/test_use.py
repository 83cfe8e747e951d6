"""A text that a person makes the final answer: a draft, or a version that was written before."""

from typing import Any

import pytest

from runs import actions
from runs.actions import Hold, Superseded
from runs.models import Generation, MultiModelRun
from runs.snapshot import run_view
from tests.runs.actions.test_rewrite import finals, revised, version
from tests.runs.rows import (
    THREE,
    answering,
    break_down,
    candidates,
    change,
    checkpoint,
    claimed,
    complete,
    completed,
    ending,
    failed,
    fresh,
    started,
    synthesis,
    synthesizing,
)

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")


def draft_of(run: MultiModelRun, text: str = "My own way.") -> Generation:
    """The second card, with a text of its own."""
    draft = candidates(run)[1]
    change(draft, text=text)
    return draft


def failed_with_drafts(owner: Any) -> MultiModelRun:
    run = synthesizing(owner)
    break_down(synthesis(run))
    actions.settle(run.pk)
    assert fresh(run).status == "failed"
    return run


def test_a_draft_takes_the_place_of_a_final_answer(ada: Any) -> None:
    run = completed(ada)
    final, draft = fresh(run).final_id, draft_of(run)
    assert actions.use(draft.pk)
    after = fresh(run)
    assert (after.status, after.outcome, after.chosen, after.final_id) == ("completed", "chosen", draft, final)
    assert finals(run) == ["My own way."]
    assert after.final.model_id == "swift:two"
    assert run_view(run.pk)["chosen"] == str(draft.pk)
    assert not actions.use(draft.pk)


def test_and_gives_it_back_to_a_version(ada: Any) -> None:
    run = completed(ada)
    first = synthesis(run)
    second = synthesis(revised(run))
    actions.use(draft_of(run).pk)
    for each, text in ((second, "Better: because."), (first, "In short: because.")):
        assert actions.use(each.pk)
        assert (synthesis(run), finals(run)) == (each, [text])
        assert (fresh(run).chosen, fresh(run).outcome) == (None, "full")
        assert not actions.use(each.pk)


def test_a_run_that_failed_is_completed_by_it(ada: Any) -> None:
    run = failed_with_drafts(ada)
    assert actions.use(draft_of(run).pk)
    after = fresh(run)
    assert (after.status, after.error_code, after.error_message) == ("completed", "", "")
    assert finals(run) == ["My own way."]


def test_a_run_that_was_stopped_is_completed_by_it(ada: Any) -> None:
    run = answering(ada)
    complete(candidates(run)[1])
    actions.request_cancel(run.pk)
    assert fresh(run).status == "cancelled"
    assert actions.use(draft_of(run).pk)
    assert (fresh(run).status, fresh(run).cancel_requested_at, finals(run)) == ("completed", None, ["My own way."])


def test_not_behind_a_later_prompt(ada: Any) -> None:
    run = failed_with_drafts(ada)
    started(ada, thread=run.thread, prompt="And?")
    with pytest.raises(Superseded):
        actions.use(draft_of(run).pk)
    assert fresh(run).status == "failed"


def test_a_run_with_an_answer_may_be_behind(ada: Any) -> None:
    run = completed(ada)
    started(ada, thread=run.thread, prompt="And?")
    assert actions.use(draft_of(run).pk)


def test_instead_of_a_synthesis_that_is_being_written(ada: Any) -> None:
    run = synthesizing(ada)
    held = claimed(synthesis(run))
    assert actions.use(draft_of(run).pk)
    assert (fresh(run).status, finals(run)) == ("completed", ["My own way."])
    assert checkpoint(held, "In sh") is Hold.STOPPED
    assert not actions.complete(held, ending("In short: because."))
    assert fresh(held.generation).status == "cancelled"
    assert (finals(run), fresh(run).outcome) == (["My own way."], "chosen")


def test_instead_of_a_synthesis_that_waits(ada: Any) -> None:
    run = synthesizing(ada)
    assert actions.use(draft_of(run).pk)
    assert synthesis(run).status == "cancelled"
    assert not actions.settle(run.pk)
    assert finals(run) == ["My own way."]


def test_instead_of_a_further_version(ada: Any) -> None:
    run = completed(ada)
    actions.rewrite(run.pk)
    held = claimed(version(run))
    assert actions.use(draft_of(run).pk)
    assert not actions.complete(held, ending("Better: because."))
    assert finals(run) == ["My own way."]


def test_while_others_still_write_their_drafts_which_will_be_late(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(second, "Enough.")
    held = claimed(first)
    assert actions.use(second.pk)
    assert (fresh(run).status, finals(run)) == ("completed", ["Enough."])
    assert actions.complete(held, ending("More."))
    assert fresh(first).late
    assert fresh(third).status == "queued"
    assert finals(run) == ["Enough."]


@pytest.mark.parametrize(
    "fields",
    [*({"status": status} for status in ("failed", "cancelled")), {"text": " \n"}, {"finish_reason": "refusal"}],
)
def test_what_is_no_draft_cannot_be_used(ada: Any, fields: Any) -> None:
    run = completed(ada)
    draft = draft_of(run)
    change(draft, **fields)
    assert not actions.use(draft.pk)
    assert finals(run) == ["In short: because."]


def test_a_run_that_is_being_stopped_is_left_alone(ada: Any) -> None:
    run = answering(ada)
    complete(candidates(run)[1])
    claimed(candidates(run)[0])
    actions.request_cancel(run.pk)
    assert not actions.use(candidates(run)[1].pk)
    assert fresh(run).status == "answering"


def test_the_single_answer_is_the_answer_already(ada: Any) -> None:
    run = answering(ada, THREE[:2])
    complete(candidates(run)[0])
    break_down(candidates(run)[1])
    actions.settle(run.pk)
    assert fresh(run).outcome == "single"
    assert not actions.use(candidates(run)[0].pk)
    assert fresh(run).chosen is None


def test_a_run_of_which_nobody_answered_has_nothing_to_use(ada: Any) -> None:
    run = failed(ada)
    assert not any(actions.use(candidate.pk) for candidate in candidates(run))
