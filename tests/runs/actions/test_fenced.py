"""A worker whose lease was given to another one writes nothing, whichever verb it tries."""

from collections.abc import Callable
from typing import Any

import pytest

from runs import actions
from runs.actions import Claim, Failure
from tests.runs.rows import answering, candidates, checkpoint, claimed, ending, fresh, lose_lease
from threads.models import Message

pytestmark = pytest.mark.usefixtures("models")

VERBS: dict[str, Callable[[Claim], Any]] = {
    "checkpoint": lambda held: checkpoint(held, "zombie", prompt=[{"role": "user", "content": "zombie"}]),
    "complete": lambda held: actions.complete(held, ending("zombie")),
    "fail_for_good": lambda held: actions.fail(held, ending("zombie"), Failure("auth", "zombie")),
    "fail_for_now": lambda held: actions.fail(held, ending("zombie"), Failure("overloaded", "zombie", tries=3)),
    "halt": lambda held: actions.halt(held, ending("zombie")),
    "release": actions.release,
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_fenced_worker_changes_nothing(ada: Any, verb: str) -> None:
    candidate = candidates(answering(ada))[0]
    zombie = claimed(candidate)
    lose_lease(zombie)
    assert actions.expire_leases() == 1
    claimed(candidate)
    before = vars(fresh(candidate)), Message.objects.count()
    assert VERBS[verb](zombie) in (None, False, actions.Hold.LOST)
    after = vars(fresh(candidate)), Message.objects.count()
    for state in (before[0], after[0]):
        state.pop("_state")
    assert after == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_worker_whose_thread_was_deleted_changes_nothing_and_does_not_raise(ada: Any, verb: str) -> None:
    run = answering(ada)
    held = claimed(candidates(run)[1])
    run.thread.delete()
    assert VERBS[verb](held) in (None, False, actions.Hold.LOST)
    assert Message.objects.count() == 0
