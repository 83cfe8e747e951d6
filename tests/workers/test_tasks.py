"""The task door."""

from uuid import uuid4

import pytest
from celery.exceptions import Reject
from celery.signals import worker_init, worker_shutdown

from runs import orchestration
from runs.actions import Claim
from runs.models import Generation
from threads import channel
from workers import pushing, streaming, tasks


@pytest.mark.parametrize("task", [tasks.generate, tasks.synthesize])
def test_a_worker_that_is_ending_hands_its_messages_back(task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "is_stopping", lambda: True)
    with pytest.raises(Reject) as reject:
        task(str(uuid4()))
    assert reject.value.requeue


@pytest.mark.parametrize(
    ("written", "goes_on"),
    [(None, False), ("completed", False), ("failed", True), ("cancelled", True)],
)
def test_after_a_synthesis_the_run_goes_on_unless_it_has_its_answer(
    db: None, monkeypatch: pytest.MonkeyPatch, written: str | None, goes_on: bool
) -> None:
    run_id, advanced = uuid4(), []
    held = written and Claim(Generation(status=written), uuid4())
    monkeypatch.setattr(orchestration, "join", lambda _run_id: held)
    monkeypatch.setattr(streaming, "stream", lambda held: held.generation)
    monkeypatch.setattr(orchestration, "advance", advanced.append)
    tasks.synthesize(str(run_id))
    assert advanced == ([run_id] if goes_on else [])


def test_an_error_of_ours_does_not_leave_a_task(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_run_id: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(orchestration, "join", broken)
    tasks.synthesize(str(uuid4()))
    assert "a mistake" in caplog.text


def test_nonsense_from_the_broker_does_no_harm(db: None, caplog: pytest.LogCaptureFixture) -> None:
    tasks.generate("nonsense")
    tasks.synthesize(str(uuid4()))
    assert "the sweeper tries again" in caplog.text


def test_a_worker_says_everything_through_its_pusher_and_the_last_words_before_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "warm_up", lambda: None)
    monkeypatch.setattr(tasks._sweeper, "sweep_until_stopped", lambda: None)
    drained: list[float] = []
    monkeypatch.setattr(pushing, "drain", drained.append)
    try:
        worker_init.send(sender=None)
        assert channel._sender is pushing.tell
    finally:
        channel.send_through(None)
    worker_shutdown.send(sender=None)
    assert drained == [tasks.LAST_WORDS_SECONDS]
