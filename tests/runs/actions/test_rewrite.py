"""Another version of a final answer: the old one stands until the new one is whole, and the message stays the same."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models.functions import Now

from runs import actions
from runs.actions import Failure, Hold, TooFewDrafts, TooManyRuns, answers
from runs.models import Generation, MultiModelRun
from runs.orchestration import sweep
from runs.snapshot import generation_view, run_view, thread_snapshot
from runs.turns import turns_of
from tests.runs.rows import (
    AGO,
    THREE,
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
    lose_lease,
    started,
    synthesis,
    synthesizing,
)
from threads.branches import Branches
from threads.history import history_of
from threads.models import Message

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")


def version(run: MultiModelRun) -> Generation:
    """The one that is not counted yet."""
    return run.generations.filter(kind="synthesis").latest("version")


def revised(run: MultiModelRun, text: str = "Better: because.", master: str = "") -> MultiModelRun:
    assert actions.rewrite(run.pk, master)
    complete(version(run), text)
    return MultiModelRun.objects.get(pk=run.pk)


def finals(run: MultiModelRun) -> list[str]:
    return list(run.thread.messages.filter(kind=Message.Kind.FINAL).values_list("content", flat=True))


def test_the_old_answer_stands_until_the_new_one_is_whole(ada: Any) -> None:
    run = completed(ada)
    old = synthesis(run)
    assert actions.rewrite(run.pk)
    held = claimed(version(run))
    assert checkpoint(held, "Bet") is Hold.KEPT
    assert (fresh(run).status, finals(run), synthesis(run)) == ("completed", ["In short: because."], old)
    assert [view["status"] for view in run_view(run.pk)["versions"]] == ["streaming"]
    assert actions.complete(held, ending("Better: because."))
    assert synthesis(run) == held.generation
    assert finals(run) == ["Better: because."]
    assert [view["id"] for view in run_view(run.pk)["versions"]] == [str(old.pk)]


def test_the_message_is_the_same_one_and_later_prompts_follow_its_new_words(ada: Any) -> None:
    run = completed(ada)
    later = started(ada, thread=run.thread, prompt="And?")
    after = revised(run, master="swift:two")
    assert after.final_id == fresh(run).final_id
    assert after.final is not None
    assert after.final.model_id == "swift:two"
    assert [turn.content for turn in history_of(later.prompt)] == ["Why?", "Better: because.", "And?"]


def test_it_is_written_from_the_drafts_that_are_there_by_now(ada: Any) -> None:
    run = synthesizing(ada, THREE[:2])
    late = candidates(run)[1]
    change(late, status="failed", message=None, text="")
    synthesis(run).delete()
    change(run, status="answering")
    actions.settle(run.pk)
    assert fresh(run).outcome == "single"
    assert actions.retry_generation(late.pk)
    complete(late, "At last.")
    assert fresh(late).late
    assert revised(run).outcome == "full"
    assert set(synthesis(run).labels.values()) == {str(candidate.pk) for candidate in candidates(run)}


def test_a_version_without_somebody_is_degraded(ada: Any) -> None:
    run = completed(ada)
    change(candidates(run)[2], status="failed", text="")
    assert revised(run).outcome == "degraded"


def test_one_version_at_a_time(ada: Any) -> None:
    run = completed(ada)
    assert actions.rewrite(run.pk)
    assert not actions.rewrite(run.pk)
    assert run.generations.filter(kind="synthesis").count() == 2


@pytest.mark.parametrize("make", [started, synthesizing, failed])
def test_only_a_run_with_an_answer_has_another_version(ada: Any, make: Any) -> None:
    run = make(ada)
    before = Generation.objects.count()
    assert not actions.rewrite(run.pk)
    assert Generation.objects.count() == before


def test_two_drafts_are_needed(ada: Any) -> None:
    run = completed(ada)
    run.generations.filter(kind="candidate", position__gt=0).update(status="failed", text="")
    with pytest.raises(TooFewDrafts):
        actions.rewrite(run.pk)


def test_there_are_only_so_many(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "VERSIONS_MAX", 2)
    run = revised(completed(ada))
    with pytest.raises(ValidationError, match="2 versions"):
        actions.rewrite(run.pk)


def test_a_master_that_cannot_be_asked_is_refused(ada: Any) -> None:
    run = completed(ada)
    with pytest.raises(ValidationError, match="not configured"):
        actions.rewrite(run.pk, "lost:key")
    assert run.generations.filter(kind="synthesis").count() == 1


def test_the_same_author_writes_again_unless_another_is_named(ada: Any) -> None:
    run = revised(completed(ada), master="swift:two")
    assert actions.rewrite(run.pk)
    assert version(run).model_id == "swift:two"


def test_a_version_that_fails_leaves_the_answer_and_says_why(ada: Any, settings: Any) -> None:
    settings.FALLBACK_MASTERS = ["swift:three"]
    run = completed(ada)
    actions.rewrite(run.pk)
    break_down(version(run))
    actions.settle(run.pk)
    assert (fresh(run).status, finals(run)) == ("completed", ["In short: because."])
    [view] = run_view(run.pk)["versions"]
    assert (view["status"], view["error"]) == ("failed", {"code": "auth", "message": "The key was refused."})
    assert actions.rewrite(run.pk)


def test_a_version_is_stopped_by_itself(ada: Any) -> None:
    run = completed(ada)
    actions.rewrite(run.pk)
    held = claimed(version(run))
    assert actions.stop_generation(held.generation.pk)
    assert checkpoint(held, "Bet") is Hold.STOPPED
    actions.halt(held, ending("Bet"))
    assert fresh(held.generation).status == "cancelled"
    assert (fresh(run).status, fresh(run).cancel_requested_at) == ("completed", None)
    assert finals(run) == ["In short: because."]


def test_one_that_is_whole_in_the_moment_in_which_it_is_stopped_does_not_count(ada: Any) -> None:
    run = completed(ada)
    actions.rewrite(run.pk)
    held = claimed(version(run))
    actions.stop_generation(held.generation.pk)
    assert not actions.complete(held, ending("Better: because."))
    assert fresh(held.generation).status == "cancelled"
    assert finals(run) == ["In short: because."]


def test_a_worker_without_a_lease_changes_no_answer(ada: Any) -> None:
    run = completed(ada)
    actions.rewrite(run.pk)
    held = claimed(version(run))
    lose_lease(held)
    actions.expire_leases()
    assert not actions.complete(held, ending("A zombie's."))
    assert finals(run) == ["In short: because."]
    complete(version(run), "Better: because.")
    assert finals(run) == ["Better: because."]


def test_a_lost_message_and_a_dead_worker_are_found_by_the_sweep(ada: Any, sent: Any) -> None:
    run = completed(ada)
    actions.rewrite(run.pk)
    sent()
    change(version(run), next_retry_at=Now() - AGO)
    assert sweep() == 1
    assert [(task.name, task.arguments) for task in sent()] == [("polyphony.synthesize", [str(run.pk)])]
    lose_lease(claimed(version(run)))
    sweep()
    assert fresh(version(run)).status == "queued"


def test_no_fallback_takes_over(ada: Any, settings: Any) -> None:
    settings.FALLBACK_MASTERS = ["swift:three"]
    run = completed(ada)
    actions.rewrite(run.pk)
    actions.fail(claimed(version(run)), ending("Bet"), Failure("auth", "No."))
    actions.settle(run.pk)
    assert run.generations.filter(kind="synthesis").count() == 2


def test_of_versions_that_came_to_nothing_only_the_newest_is_told(ada: Any) -> None:
    run = completed(ada)
    for _ in range(4):
        assert actions.rewrite(run.pk)
        actions.stop_generation(version(run).pk)
    assert [view["version"] for view in run_view(run.pk)["versions"]] == [version(run).version]
    revised(run)
    assert [view["version"] for view in run_view(run.pk)["versions"]] == [1]


def test_what_all_versions_cost_is_told(ada: Any) -> None:
    run = completed(ada)
    change(synthesis(run), tokens_out=100)
    revised(run)
    change(synthesis(run), tokens_out=50)
    snapshot = thread_snapshot(run.thread, run.pk)
    assert turns_of(snapshot, Branches.of(run.thread))[0].tokens == sum(
        generation.tokens_out or 0 for generation in run.generations.all()
    )


def test_a_version_that_is_being_written_counts_as_a_run(ada: Any, settings: Any) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 1
    first, second = completed(ada), completed(ada)
    assert actions.rewrite(first.pk)
    with pytest.raises(TooManyRuns):
        actions.rewrite(second.pk)
    with pytest.raises(TooManyRuns):
        started(ada)
    actions.stop_generation(version(first).pk)
    assert actions.rewrite(second.pk)


@pytest.mark.django_db(transaction=True)
def test_a_version_that_is_whole_is_told_as_the_one_that_counts(ada: Any, said: list[Any]) -> None:
    run = revised(completed(ada))
    told = [event.generation for event in said if event.type == "generation.completed"][-1]
    assert told == generation_view(version(run))
    assert told["current"]
