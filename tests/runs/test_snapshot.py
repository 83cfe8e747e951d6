import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs import actions, snapshot
from runs.actions import Thoughts
from runs.events import RunView
from runs.models import MultiModelRun
from runs.snapshot import RECENT, brief_snapshot, generation_view, run_event_view, run_view, thread_snapshot
from tests.runs.rows import (
    THREE,
    answering,
    break_down,
    candidates,
    checkpoint,
    claimed,
    complete,
    completed,
    failed,
    fresh,
    started,
    synthesis,
    synthesizing,
)
from threads import live
from threads.actions import create_thread
from threads.connections import sync_client
from threads.models import Message

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")


def test_a_thread_is_its_turns_and_its_runs(ada: Any) -> None:
    run = completed(ada)
    shown = thread_snapshot(run.thread).payload()
    assert shown["thread"] == {"id": str(run.thread_id), "title": "Why?", "tip": str(run.prompt_id)}
    assert [(m["kind"], m["content"]) for m in shown["messages"]] == [
        ("prompt", "Why?"),
        ("final", "In short: because."),
    ]
    assert [view["id"] for view in shown["runs"]] == [str(run.pk)]
    assert json.loads(json.dumps(shown)) == shown


def test_an_empty_thread_is_empty(ada: Any) -> None:
    shown = thread_snapshot(create_thread(ada, "Empty"))
    assert (shown.messages, shown.runs) == ([], [])


def test_a_run_is_its_generations_in_the_order_of_the_cards(ada: Any) -> None:
    view = run_view(synthesizing(ada).pk)
    assert [(g["kind"], g["role"], g["position"]) for g in view["generations"]] == [
        ("candidate", "master", 0),
        ("candidate", "secondary", 1),
        ("candidate", "secondary", 2),
        ("synthesis", "master", 0),
    ]
    assert sorted(g["label"] or "" for g in view["generations"]) == ["", "A", "B", "C"]


def test_only_the_current_synthesis_is_shown(ada: Any) -> None:
    run = synthesizing(ada)
    break_down(synthesis(run))
    actions.settle(run.pk)
    actions.retry(run.pk)
    actions.take_up(run.pk)
    actions.settle(run.pk)
    versions = [g["version"] for g in run_view(run.pk)["generations"] if g["kind"] == "synthesis"]
    assert versions == [2]


def test_what_streams_is_shown_as_far_as_redis_has_it(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    checkpoint(held, "So")
    sync_client().set(live.key(held.generation.pk, 1), "So far")
    sync_client().set(live.key(held.generation.pk, 0), "An older attempt, much longer")
    assert run_view(run.pk)["generations"][0]["text"] == "So far"


def test_thoughts_are_shown_as_far_as_redis_has_them_and_apart_from_the_text(ada: Any) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    checkpoint(held, "", Thoughts("Hm"))
    sync_client().set(live.reasoning_key(held.generation.pk, 1), "Hm, let me see")
    shown = run_view(run.pk)["generations"][0]
    assert (shown["text"], shown["reasoning"], shown["reasoning_seconds"]) == ("", "Hm, let me see", None)


def test_what_has_ended_is_shown_as_the_database_has_it(ada: Any) -> None:
    run = answering(ada)
    first = candidates(run)[0]
    complete(first, "Whole.")
    sync_client().set(live.key(first.pk, 1), "Whole. And a late piece")
    assert run_view(run.pk)["generations"][0]["text"] == "Whole."


def test_an_event_carries_no_texts(ada: Any) -> None:
    run = completed(ada)
    event, full = run_event_view(run.pk), run_view(run.pk)
    assert {(g["text"], g["reasoning"]) for g in event["generations"]} == {(None, None)}
    for view in (event, full):
        for generation in view["generations"]:
            generation["text"] = generation["reasoning"] = None
    assert event == full


def test_a_failure_says_why(ada: Any) -> None:
    view = run_view(failed(ada).pk)
    assert view["error"] is not None
    assert view["error"]["code"] == "no_draft"
    assert {(g["error"] or {})["code"] for g in view["generations"]} == {"auth"}


def test_times_tokens_and_cost_are_shown(ada: Any) -> None:
    run = answering(ada)
    first = candidates(run)[0]
    complete(first)
    view = generation_view(fresh(first))
    assert (view["tokens_in"], view["tokens_out"], view["cost"]) == (10, 4, "0.000020")
    assert view["first_token_seconds"] == pytest.approx(0.25, abs=0.002)
    assert view["seconds"] is not None
    waiting = generation_view(candidates(run)[1])
    assert (waiting["seconds"], waiting["cost"], waiting["started_at"]) == (None, None, None)


def test_a_model_that_left_the_catalogue_is_still_shown(ada: Any, settings: Any) -> None:
    from runs import catalogue

    run = completed(ada)
    settings.MODELS_FILE.write_text("")
    settings.PROVIDERS = {}
    catalogue.models.cache_clear()
    model = run_view(run.pk)["master"]
    assert model == {"id": "swift:one", "label": "swift:one", "provider": "swift", "demo": False}


def test_a_snapshot_of_one_run_holds_its_turns_alone(ada: Any) -> None:
    first = completed(ada)
    second = started(ada, thread=first.thread, prompt="And?")
    shown = thread_snapshot(first.thread, first.pk)
    assert ([m["content"] for m in shown.messages], len(shown.runs)) == (["Why?", "In short: because."], 1)
    assert [m["content"] for m in thread_snapshot(first.thread, second.pk).messages] == ["And?"]


def test_a_long_thread_is_its_newest_part(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "TURNS", 2)
    run = completed(ada)
    for prompt in ("Two?", "Three?"):
        run = started(ada, thread=run.thread, prompt=prompt)
        actions.request_cancel(run.pk)
    shown = thread_snapshot(run.thread)
    assert [m["content"] for m in shown.messages] == ["Two?", "Three?"]
    assert len(shown.runs) == 2
    assert [view["id"] for view in brief_snapshot(run.thread).runs] == [view["id"] for view in shown.runs]


def several(ada: Any, count: int) -> MultiModelRun:
    """A thread of completed runs; the last one of them."""
    run = completed(ada)
    for number in range(2, count + 1):
        run = started(ada, thread=run.thread, prompt=f"Question {number}?")
        actions.take_up(run.pk)
        for candidate in candidates(run):
            complete(candidate)
        actions.settle(run.pk)
        complete(synthesis(run), f"Answer {number}.")
    return fresh(run)


def texts(view: RunView) -> set[str | None]:
    return {generation["text"] for generation in view["generations"]}


def test_a_brief_snapshot_of_a_young_thread_is_all_of_it(ada: Any) -> None:
    run = several(ada, RECENT)
    assert brief_snapshot(run.thread) == thread_snapshot(run.thread)
    assert brief_snapshot(create_thread(ada)).runs == []


def test_a_brief_snapshot_has_all_states_and_only_the_newest_texts(ada: Any) -> None:
    last = several(ada, RECENT + 2)
    active = started(ada, thread=last.thread, prompt="And?")
    actions.take_up(active.pk)
    held = claimed(candidates(active)[0])
    sync_client().set(live.key(held.generation.pk, 1), "So far")
    brief, full = brief_snapshot(last.thread), thread_snapshot(last.thread)
    assert [texts(view) for view in brief.runs[:2]] == [{None}, {None}]
    assert brief.runs[2:] == full.runs[2:]
    assert brief.runs[-1]["generations"][0]["text"] == "So far"
    for view, whole in zip(brief.runs[:2], full.runs[:2], strict=True):
        assert {**view, "generations": None} == {**whole, "generations": None}
    assert brief.messages == full.messages[4:]


def test_its_size_does_not_grow_with_the_texts_of_long_ago(ada: Any) -> None:
    last = several(ada, RECENT + 1)
    before = len(json.dumps(brief_snapshot(last.thread).payload()))
    first = last.thread.runs.order_by("created_at")[0]
    first.generations.update(text="x" * 100_000)
    Message.objects.filter(pk__in=[first.prompt_id, first.final_id]).update(content="x" * 100_000)
    assert len(json.dumps(brief_snapshot(last.thread).payload())) == before


def test_no_view_reads_what_was_sent_to_the_models(ada: Any) -> None:
    run = several(ada, RECENT + 1)
    with CaptureQueriesContext(connection) as read:
        for shown in (brief_snapshot, thread_snapshot):
            shown(run.thread)
        for view in (run_view, run_event_view):
            view(run.pk)
    assert "runs_generation" in str(read.captured_queries)
    assert "sent_prompt" not in str(read.captured_queries)


def test_it_takes_a_constant_number_of_queries(ada: Any, django_assert_num_queries: Any) -> None:
    run = completed(ada)
    thread = run.thread
    with django_assert_num_queries(3):  # the branch, its runs with their messages, generations
        thread_snapshot(thread)
    for _ in range(4):
        run = started(ada, THREE * 2, thread=run.thread)
        actions.request_cancel(run.pk)
    with django_assert_num_queries(3):
        thread_snapshot(thread)
    with django_assert_num_queries(5):  # the branch, its runs, generations with and without texts, messages
        brief_snapshot(thread)
    for view in (run_view, run_event_view):
        with django_assert_num_queries(2):
            view(run.pk)
