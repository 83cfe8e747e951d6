import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from runs import actions, orchestration
from runs.models import MultiModelRun
from tests.runs.conftest import Task
from tests.runs.rows import (
    AGO,
    THREE,
    answering,
    break_down,
    candidates,
    change,
    claimed,
    complete,
    failed,
    fresh,
    lose_lease,
    started,
    synthesis,
    synthesizing,
)
from threads.actions import create_thread

pytestmark = [pytest.mark.usefixtures("models", "said"), pytest.mark.django_db(transaction=True)]
DISPATCH, GENERATE, SYNTHESIZE = "polyphony.dispatch", "polyphony.generate", "polyphony.synthesize"
Sent = Callable[[], list[Task]]


def start(owner: Any, **options: Any) -> tuple[MultiModelRun, bool]:
    thread = options.pop("thread", None) or create_thread(owner)
    return orchestration.start_multi_model_generation(
        owner, thread, "Why?", master=THREE[0], secondaries=THREE[1:], **options
    )


def test_a_new_run_is_kicked_off_with_its_id_alone(ada: Any, sent: Sent) -> None:
    run, new = start(ada)
    assert new
    assert sent() == [Task(DISPATCH, [str(run.pk)])]


def test_nothing_is_sent_before_the_commit(ada: Any, sent: Sent) -> None:
    with transaction.atomic():
        start(ada)
        assert sent() == []
    assert [task.name for task in sent()] == [DISPATCH]


def test_a_transaction_that_is_rolled_back_sends_nothing(ada: Any, sent: Sent) -> None:
    with transaction.atomic():
        start(ada)
        transaction.set_rollback(True)
    assert sent() == []
    assert not MultiModelRun.objects.exists()


def test_the_same_request_again_is_not_kicked_off_again(ada: Any, sent: Sent) -> None:
    thread = create_thread(ada)
    start(ada, thread=thread, idempotency_key="k")
    sent()
    _run, new = start(ada, thread=thread, idempotency_key="k")
    assert (new, sent()) == (False, [])


def test_a_broker_that_is_away_does_not_stop_a_run_from_being_saved(
    ada: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("redis://:secret@host")

    monkeypatch.setattr(orchestration.current_app, "send_task", away)
    run, new = start(ada)
    assert new
    assert fresh(run).status == "queued"
    assert "the broker is away" in caplog.text
    assert "secret" not in caplog.text


def test_dispatch_launches_a_chord_of_candidates_with_the_synthesis_as_callback(ada: Any, sent: Sent) -> None:
    run = started(ada)
    orchestration.dispatch(run.pk)
    tasks = sent()
    assert sorted(task.arguments[0] for task in tasks) == sorted(str(row.pk) for row in candidates(run))
    assert {task.name for task in tasks} == {GENERATE}
    assert {task.callback for task in tasks} == {(SYNTHESIZE, str(run.pk))}


def test_dispatching_again_launches_nothing(ada: Any, sent: Sent) -> None:
    run = started(ada)
    orchestration.dispatch(run.pk)
    sent()
    orchestration.dispatch(run.pk)
    orchestration.dispatch(uuid.uuid4())
    assert sent() == []


def test_dispatching_a_retried_run_with_all_its_drafts_goes_straight_to_the_synthesis(ada: Any, sent: Sent) -> None:
    run = synthesizing(ada)
    break_down(synthesis(run))
    actions.settle(run.pk)
    assert orchestration.retry_run(run.pk)
    assert sent() == [Task(DISPATCH, [str(run.pk)])]
    orchestration.dispatch(run.pk)
    assert sent() == [Task(SYNTHESIZE, [str(run.pk)])]


def test_a_run_that_cannot_be_retried_is_not_kicked_off(ada: Any, sent: Sent) -> None:
    run = answering(ada)
    assert not orchestration.retry_run(run.pk)
    assert sent() == []


def test_whoever_ends_the_last_candidate_launches_the_synthesis(ada: Any, sent: Sent) -> None:
    run = answering(ada)
    for candidate in candidates(run):
        assert sent() == []
        complete(candidate)
        orchestration.advance(run.pk)
    assert sent() == [Task(SYNTHESIZE, [str(run.pk)])]
    orchestration.advance(run.pk)
    assert sent() == []


def test_a_retry_is_launched_after_its_wait(ada: Any, sent: Sent) -> None:
    candidate = candidates(answering(ada))[0]
    orchestration.relaunch(candidate, after=2.5)
    (task,) = sent()
    assert (task.name, task.arguments, task.eta is not None) == (GENERATE, [str(candidate.pk)], True)


def test_sweeping_a_tidy_house_moves_nothing(ada: Any, sent: Sent) -> None:
    started(ada)
    answering(ada)
    synthesizing(ada)
    failed(ada)
    assert orchestration.sweep() == 0
    assert sent() == []


def test_the_sweep_dispatches_a_run_whose_kick_off_was_lost(ada: Any, sent: Sent) -> None:
    run = started(ada)
    change(run, queued_at=Now() - AGO / 2)
    assert orchestration.sweep() == 1
    assert len(sent()) == 3
    assert orchestration.sweep() == 0


def test_the_sweep_relaunches_what_a_dead_worker_held_once(ada: Any, sent: Sent) -> None:
    candidate = candidates(answering(ada))[1]
    lose_lease(claimed(candidate))
    assert orchestration.sweep() >= 1
    assert sent() == [Task(GENERATE, [str(candidate.pk)])]
    assert orchestration.sweep() == 0
    assert sent() == []


def test_the_sweep_relaunches_a_synthesis_by_its_run(ada: Any, sent: Sent) -> None:
    run = synthesizing(ada)
    lose_lease(claimed(synthesis(run)))
    orchestration.sweep()
    assert sent() == [Task(SYNTHESIZE, [str(run.pk)])]


def test_the_sweep_relaunches_a_task_whose_message_was_lost(ada: Any, sent: Sent) -> None:
    run = answering(ada)
    change(candidates(run)[2], next_retry_at=Now() - AGO)
    orchestration.sweep()
    assert [task.arguments for task in sent()] == [[str(candidates(run)[2].pk)]]


def test_the_sweep_joins_a_run_whose_last_worker_died_before_the_join(ada: Any, sent: Sent) -> None:
    run = answering(ada)
    for candidate in candidates(run):
        complete(candidate)
    assert orchestration.sweep() == 1
    assert sent() == [Task(SYNTHESIZE, [str(run.pk)])]
    assert fresh(run).status == "synthesizing"


def test_the_sweep_ends_a_run_past_its_deadline_with_what_is_there(ada: Any, sent: Sent) -> None:
    run = answering(ada)
    complete(candidates(run)[0], "Only me.")
    claimed(candidates(run)[1])
    change(run, deadline_at=Now() - AGO)
    orchestration.sweep()
    assert (fresh(run).status, fresh(run).outcome, fresh(run).final.content) == ("completed", "single", "Only me.")


def test_the_sweep_ends_a_run_past_its_deadline_that_was_being_synthesized(ada: Any) -> None:
    run = synthesizing(ada)
    claimed(synthesis(run))
    change(run, deadline_at=Now() - AGO)
    orchestration.sweep()
    assert (fresh(run).status, fresh(run).error_code) == ("failed", "synthesis_failed")


def test_the_sweep_ends_a_stopped_run_whose_worker_died(ada: Any, sent: Sent) -> None:
    run = answering(ada)
    lose_lease(claimed(candidates(run)[0]))
    actions.request_cancel(run.pk)
    orchestration.sweep()
    assert fresh(run).status == "cancelled"
    assert sent() == []


def test_the_sweep_ends_a_stopped_run_whose_worker_gave_its_lease_back(ada: Any, sent: Sent) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[0])
    actions.request_cancel(run.pk)
    actions.release(held)
    orchestration.sweep()
    assert fresh(run).status == "cancelled"
    assert sent() == []


def test_the_sweep_ends_a_stopped_run_of_which_everything_had_ended(ada: Any) -> None:
    run = answering(ada, THREE[:2])
    first, second = candidates(run)
    held = claimed(first)
    complete(second)
    actions.request_cancel(run.pk)
    actions.halt(held, actions.Ending(""))
    orchestration.sweep()
    assert fresh(run).status == "cancelled"


def test_a_run_whose_every_worker_always_dies_ends(ada: Any, settings: Any) -> None:
    settings.ATTEMPTS_MAX = 3
    run = answering(ada, THREE[:1])
    for _ in range(3):
        lose_lease(claimed(candidates(run)[0]))
        orchestration.sweep()
    assert (fresh(run).status, fresh(run).error_code) == ("failed", "no_draft")
    assert "died, several times" in fresh(run).error_message


def test_a_row_that_cannot_be_brought_on_holds_up_no_other(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned, other = [started(ada), started(ada)]
    MultiModelRun.objects.update(queued_at=Now() - AGO / 2)
    taken = []

    def dispatch(run_id: Any) -> None:
        if run_id == poisoned.pk:
            raise RuntimeError("poison")
        taken.append(run_id)

    monkeypatch.setattr(orchestration, "dispatch", dispatch)
    assert orchestration.sweep() == 1
    assert taken == [other.pk]
