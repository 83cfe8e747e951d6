"""The master cannot write the final answer: the configured others are asked in turn."""

from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions
from runs.events import RunSynthesizing
from runs.models import Generation, MultiModelRun
from runs.snapshot import run_view
from tests.runs.rows import (
    AGO,
    answering,
    break_down,
    candidates,
    change,
    claimed,
    complete,
    ending,
    fresh,
    synthesis,
    synthesizing,
)

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture(autouse=True)
def two_fallbacks(settings: Any) -> None:
    settings.FALLBACK_MASTERS = ["swift:one", "lost:key", "nobody:knows", "swift:three", "swift:two"]


def authors(run: MultiModelRun) -> list[tuple[str, str, bool]]:
    syntheses = run.generations.filter(kind=Generation.Kind.SYNTHESIS).order_by("version", "position")
    return [(each.model_id, each.status, each.current) for each in syntheses]


def test_the_next_one_writes_from_the_same_drafts_under_the_same_letters(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    run = synthesizing(ada)
    first = synthesis(run)
    break_down(first, "auth", "The key was refused.")
    with django_capture_on_commit_callbacks(execute=True):
        assert actions.settle(run.pk), "a synthesis waits for a worker again"
    second = synthesis(run)
    assert (second.model_id, second.position, second.version) == ("swift:three", 1, 1)
    assert (second.labels, second.shuffle_seed) == (first.labels, first.shuffle_seed)
    assert actions.complete(claimed(second), ending("In short."))
    assert authors(run) == [("swift:one", "failed", False), ("swift:three", "completed", True)]
    view = run_view(run.pk)
    assert view["master"]["id"] == "swift:three"
    assert [(each["model"]["id"], each["error"]["message"]) for each in view["gave_up"]] == [
        ("swift:one", "The key was refused.")
    ]
    assert fresh(run).final.model_id == "swift:three"
    assert [event.run["master"]["id"] for event in said if isinstance(event, RunSynthesizing)] == ["swift:three"]


def test_when_all_of_them_fail_the_run_fails_with_the_last_cause(ada: Any) -> None:
    run = synthesizing(ada)
    for _ in range(3):
        break_down(synthesis(run))
        actions.settle(run.pk)
    assert [model for model, _status, _current in authors(run)] == ["swift:one", "swift:three", "swift:two"]
    assert (fresh(run).status, fresh(run).error_code) == ("failed", "synthesis_failed")
    assert "swift:two" in fresh(run).error_message or "two" in fresh(run).error_message


def test_past_the_deadline_nobody_is_asked_any_more(ada: Any) -> None:
    run = synthesizing(ada)
    break_down(synthesis(run))
    change(run, deadline_at=Now() - AGO)
    assert not actions.settle(run.pk)
    assert fresh(run).status == "failed"


def test_a_run_that_is_being_stopped_asks_nobody_else(ada: Any) -> None:
    run = synthesizing(ada)
    held = claimed(synthesis(run))
    actions.request_cancel(run.pk)
    actions.fail(held, ending(""), actions.Failure("auth", "The key was refused."))
    assert not actions.settle(run.pk)
    assert fresh(run).status == "cancelled"


def test_settling_again_asks_nobody_twice(ada: Any) -> None:
    run = synthesizing(ada)
    break_down(synthesis(run))
    assert actions.settle(run.pk)
    assert not actions.settle(run.pk)
    assert len(authors(run)) == 2


def test_a_retry_begins_with_the_chosen_master_again(ada: Any) -> None:
    run = synthesizing(ada)
    for _ in range(3):
        break_down(synthesis(run))
        actions.settle(run.pk)
    assert actions.retry(run.pk)
    actions.take_up(run.pk)
    assert actions.settle(run.pk)
    again = synthesis(run)
    assert (again.model_id, again.position, again.version) == ("swift:one", 0, 2)
    assert run_view(run.pk)["gave_up"] == []


def test_a_straggler_stays_out_of_what_the_next_one_is_given(ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    held = claimed(third)
    complete(first)
    complete(second)
    actions.request_synthesis(run.pk)
    assert actions.settle(run.pk)
    actions.complete(held, ending("Late."))
    break_down(synthesis(run))
    assert actions.settle(run.pk)
    assert str(third.pk) not in synthesis(run).labels.values()


def test_fallbacks_are_known_models_that_can_be_asked(ada: Any) -> None:
    run = synthesizing(ada)
    assert actions.fallbacks(run, after=0) == ["swift:three", "swift:two"]
    assert actions.fallbacks(run, after=2) == []
