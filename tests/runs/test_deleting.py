"""Deleting a thread while a worker writes into it."""

from typing import Any

import pytest

from runs import actions
from tests.racing import race
from tests.runs.rows import answering, candidates, claimed, ending
from threads.actions import delete_thread
from threads.models import Message, Thread


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("position", [0, 1])
def test_a_draft_that_lands_while_the_thread_is_deleted_leaves_nothing_behind(
    ada: Any, models: Any, position: int
) -> None:
    for _ in range(10):
        run = answering(ada)
        held = claimed(candidates(run)[position])
        race(lambda run=run: delete_thread(run.thread), lambda held=held: actions.complete(held, ending("A draft.")))
        assert not Thread.objects.exists()
        assert not Message.objects.exists()
