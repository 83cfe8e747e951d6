import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError
from kombu.transport import redis

from runs import actions, broker, orchestration
from runs.actions.joining import LAUNCH_GRACE
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
from threads.connections import ANSWER_TIMEOUT, REDIS, sync_client
from threads.events import Event

pytestmark = [pytest.mark.usefixtures("models", "said"), pytest.mark.django_db(transaction=True)]
GENERATE, SYNTHESIZE = "polyphony.generate", "polyphony.synthesize"
Sent = Callable[[], list[Task]]


def start(owner: Any, **options: Any) -> tuple[MultiModelRun, bool]:
    thread = options.pop("thread", None) or create_thread(owner)
    return orchestration.start_multi_model_generation(
        owner, thread, "Why?", master=THREE[0], secondaries=THREE[1:], **options
    )


def test_a_new_run_is_launched_as_a_chord_of_candidates_with_the_synthesis_as_callback(ada: Any, sent: Sent) -> None:
    run, new = start(ada)
    assert (new, fresh(run).status) == (True, "answering")
    assert is_the_chord_of(run, sent())


def test_a_run_is_told_before_anything_of_it_can_begin(
    ada: Any, said: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    real = orchestration.chord
    monkeypatch.setattr(
        orchestration, "chord", lambda *header, **app: told.extend(each.type for each in said) or real(*header, **app)
    )
    start(ada)
    assert told == ["thread.updated", "message.created", "run.started"]


def test_nothing_is_sent_before_the_commit(ada: Any, sent: Sent) -> None:
    with transaction.atomic():
        start(ada)
        assert sent() == []
    assert [task.name for task in sent()] == [GENERATE] * 3


def test_a_transaction_that_is_rolled_back_sends_nothing(ada: Any, sent: Sent) -> None:
    with transaction.atomic():
        start(ada)
        transaction.set_rollback(True)
    assert sent() == []
    assert not MultiModelRun.objects.exists()


def test_the_same_request_again_is_not_launched_again(ada: Any, sent: Sent) -> None:
    thread = create_thread(ada)
    start(ada, thread=thread, idempotency_key="k")
    sent()
    _run, new = start(ada, thread=thread, idempotency_key="k")
    assert (new, sent()) == (False, [])


def test_a_run_that_is_saved_with_the_broker_away_waits_for_the_sweeper(
    ada: Any, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr(broker, "answers", lambda: False)
        run, new = start(ada)
    assert (new, fresh(run).status, sent()) == (True, "queued", [])
    change(run, queued_at=Now() - AGO / 2)
    orchestration.sweep()
    assert is_the_chord_of(run, sent())


def test_a_broker_that_goes_away_between_does_not_stop_a_run_and_the_sweeper_launches_what_is_missing(
    ada: Any, sent: Sent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("redis://:secret@host")

    with monkeypatch.context() as gone:
        gone.setattr(orchestration, "chord", away)
        run, new = start(ada)
    REDIS.reset()
    assert (new, fresh(run).status) == (True, "answering")
    assert "the broker is away" in caplog.text
    assert "secret" not in caplog.text
    orchestration.sweep()
    assert {task.arguments[0] for task in sent()} == {str(row.pk) for row in candidates(run)}


def test_a_run_that_nobody_launched_because_its_process_died_is_launched_by_the_sweeper(ada: Any, sent: Sent) -> None:
    thread = create_thread(ada)
    run, _new = actions.start_run(ada, thread, "Why?", master=THREE[0], secondaries=THREE[1:], launching=True)
    assert orchestration.sweep() == 0
    assert [row.next_retry_at - run.queued_at for row in candidates(run)] == [LAUNCH_GRACE] * 3
    for row in candidates(run):
        change(row, next_retry_at=Now())
    assert orchestration.sweep() == 3
    assert {task.arguments[0] for task in sent()} == {str(row.pk) for row in candidates(run)}


def test_an_error_of_our_own_while_a_run_is_launched_is_logged_and_refuses_nobody(
    ada: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("of our own")

    monkeypatch.setattr(orchestration, "chord", broken)
    _run, new = start(ada)
    assert new
    assert "of our own" in caplog.text


def test_dispatch_launches_the_same_chord(ada: Any, sent: Sent) -> None:
    run = started(ada)
    orchestration.dispatch(run.pk)
    assert is_the_chord_of(run, sent())


def is_the_chord_of(run: MultiModelRun, tasks: list[Task]) -> bool:
    asked = sorted(task.arguments[0] for task in tasks) == sorted(str(row.pk) for row in candidates(run))
    called_back = {(task.name, task.callback) for task in tasks} == {(GENERATE, (SYNTHESIZE, str(run.pk)))}
    return asked and called_back


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
    assert sent() == [Task(SYNTHESIZE, [str(run.pk)])]


def test_a_run_that_cannot_be_retried_is_not_launched(ada: Any, sent: Sent) -> None:
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


def test_the_join_hands_over_what_the_same_task_is_to_write(ada: Any) -> None:
    run = answering(ada)
    assert orchestration.join(run.pk) is None
    for candidate in candidates(run):
        complete(candidate)
    made = orchestration.join(run.pk)
    assert made
    assert made.generation == synthesis(run)
    assert orchestration.join(run.pk) is None  # it is somebody's
    actions.release(made)
    again = orchestration.join(run.pk)
    assert again
    assert (again.generation.pk, again.generation.attempt) == (made.generation.pk, 2)


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


def test_the_sweep_dispatches_a_run_that_nobody_took_up(ada: Any, sent: Sent) -> None:
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


def test_to_launch_a_run_leaves_nothing_that_listens_for_results(ada: Any, redis_flushed: None) -> None:
    """Celery would subscribe to each of its tasks, and keep them for ever."""
    start(ada)
    assert sync_client().pubsub_channels("celery-task-meta-*") == []


def test_all_threads_of_a_process_share_one_backend_for_results() -> None:
    with ThreadPoolExecutor(1) as another:
        assert another.submit(lambda: orchestration.current_app.backend).result() is orchestration.current_app.backend


def test_what_celery_sends_gives_up_as_soon_as_what_we_send() -> None:
    with broker.producer() as ours, orchestration.current_app.producer_pool.acquire() as theirs:
        assert {each.connection.transport_options["socket_timeout"] for each in (ours, theirs)} == {ANSWER_TIMEOUT}


def test_what_is_sent_shares_one_client(ada: Any, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    start(ada)
    made: list[object] = []
    create = redis.Channel._create_client
    monkeypatch.setattr(redis.Channel, "_create_client", lambda self, *how: made.append(self) or create(self, *how))
    with broker.producer() as producer:
        assert isinstance(producer.channel, broker._Channel)
    start(ada)
    assert len(sent()) == 6
    assert len(made) <= 1


def test_a_new_run_is_saved_and_launched_with_few_queries(ada: Any, django_assert_max_num_queries: Any) -> None:
    thread = create_thread(ada)
    with django_assert_max_num_queries(12):
        start(ada, thread=thread)
