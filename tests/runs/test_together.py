"""What the tasks of a worker want of the real database at one time, they get together."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from runs import actions
from runs.models import Generation
from tests.runs.rows import answering, candidates, ending
from workers import together


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("models", "said")
def test_drafts_that_end_at_one_time_are_claimed_and_kept_together(
    ada: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each falls back on a verb of its own, so that nobody would miss the others."""
    run = answering(ada)
    for line, seconds in ((together._claims, 0.5), (together._drafts, 1.5)):
        monkeypatch.setattr(line, "_next_at", time.monotonic() + seconds)
    for verb in ("claim", "complete"):
        monkeypatch.delattr(actions, verb)

    def task(generation: Generation) -> bool:
        try:
            claim = together.claim(generation.pk)
            assert claim
            connection.close()
            return together.complete(claim, ending(f"I am {generation.position}"))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as tasks:
        assert list(tasks.map(task, candidates(run))) == [True] * 3
    assert [row.text for row in candidates(run)] == ["I am 0", "I am 1", "I am 2"]
    assert not caplog.records
