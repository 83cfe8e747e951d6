"""The task door."""

from uuid import uuid4

import pytest
from celery.exceptions import Reject

from runs import orchestration
from workers import streaming, tasks


@pytest.mark.parametrize("task", [tasks.generate, tasks.synthesize])
def test_a_worker_that_is_ending_hands_its_messages_back(task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "is_stopping", lambda: True)
    with pytest.raises(Reject) as reject:
        task(str(uuid4()))
    assert reject.value.requeue


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
