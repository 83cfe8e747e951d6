"""Deleting a thread while a worker writes into it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions, orchestration
from runs.models import MultiModelRun
from tests.racing import race
from tests.runs.rows import answering, candidates, change, claimed, complete, completed, ending, failed, fresh
from threads.actions import delete_thread, remove_deleted
from threads.models import Message, Thread


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("position", [0, 1])
def test_a_draft_that_lands_while_the_thread_is_removed_leaves_nothing_behind(
    ada: Any, models: Any, position: int
) -> None:
    for _ in range(10):
        run = answering(ada)
        held = claimed(candidates(run)[position])
        delete_thread(run.thread)
        change(run.thread, deleted_at=Now() - timedelta(days=1))
        race(remove_deleted, lambda held=held: actions.complete(held, ending("A draft.")))
        assert not Thread.objects.exists()
        assert not Message.objects.exists()


def test_deleting_a_thread_stops_what_is_under_way_in_it(ada: Any, models: Any, said: Any, redis_flushed: Any) -> None:
    run, other = answering(ada), answering(ada)
    held = claimed(candidates(run)[0])
    delete_thread(run.thread)
    statuses = [generation.status for generation in candidates(run)]
    assert statuses == ["streaming", "cancelled", "cancelled"]
    assert fresh(run).cancel_requested_at is not None
    assert fresh(other).cancel_requested_at is None
    actions.halt(held, ending("So far"))
    actions.settle(run.pk)
    assert fresh(run).status == "cancelled"


def test_deleting_a_thread_stops_who_still_writes_after_the_answer(
    ada: Any, models: Any, said: Any, redis_flushed: Any
) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    claimed(third)
    actions.stop_generation(second.pk)
    assert actions.request_synthesis(run.pk)
    actions.settle(run.pk)
    assert fresh(run).status == "completed"
    delete_thread(run.thread)
    assert fresh(third).cancel_requested_at is not None


def test_nothing_begins_again_in_a_deleted_thread(ada: Any, models: Any, said: Any, redis_flushed: Any) -> None:
    run, whole = failed(ada), completed(ada)
    broken = candidates(run)[0]
    for thread in (run.thread, whole.thread):
        delete_thread(thread)
    for begin in (
        lambda: actions.retry(run.pk),
        lambda: actions.retry_generation(broken.pk),
        lambda: actions.rewrite(whole.pk),
        lambda: actions.use(candidates(whole)[0].pk),
    ):
        with pytest.raises(Thread.DoesNotExist):
            begin()
    assert (fresh(run).status, fresh(broken).status) == ("failed", "failed")


@pytest.mark.django_db(transaction=True)
def test_a_version_that_is_asked_for_while_the_thread_is_deleted_is_not_written(
    ada: Any, models: Any, said: Any, redis_flushed: Any
) -> None:
    for _ in range(6):
        run = completed(ada)
        race(lambda run=run: delete_thread(run.thread), lambda run=run: actions.rewrite(run.pk))
        going_on = run.generations.filter(status__in=["queued", "streaming"], cancel_requested_at=None)
        assert not going_on.exists()


def test_the_sweeper_removes_what_was_deleted_long_ago(
    ada: Any, models: Any, said: Any, redis_flushed: Any, settings: Any
) -> None:
    run, kept = completed(ada), completed(ada)
    delete_thread(run.thread)
    orchestration.sweep()
    assert Thread.objects.filter(pk=run.thread_id).exists()
    change(run.thread, deleted_at=Now() - timedelta(seconds=settings.DELETED_KEEP_SECONDS + 1))
    assert orchestration.sweep() == 1
    assert {thread.pk for thread in Thread.objects.filter(kind="conversation")} == {kept.thread_id}
    assert list(MultiModelRun.objects.all()) == [kept]


def test_a_thread_deleted_meanwhile_takes_no_run(ada: Any, models: Any, said: Any, redis_flushed: Any) -> None:
    run = completed(ada)
    delete_thread(run.thread)
    with pytest.raises(Thread.DoesNotExist):
        actions.start_run(ada, run.thread, "And?", master="swift:one")
    assert list(MultiModelRun.objects.all()) == [run]
