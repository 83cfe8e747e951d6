import uuid
from typing import Any

import pytest

from runs import actions
from tests.racing import race
from tests.runs.rows import answering, candidates, fresh, started

pytestmark = pytest.mark.usefixtures("models")


def test_it_names_the_candidates_to_launch(ada: Any) -> None:
    run = started(ada)
    assert sorted(actions.take_up(run.pk) or []) == sorted(candidate.pk for candidate in candidates(run))
    run = fresh(run)
    assert run.status == "answering"
    assert run.dispatched_at is not None


def test_it_takes_a_run_up_once(ada: Any) -> None:
    run = answering(ada)
    assert actions.take_up(run.pk) is None


def test_it_leaves_a_run_alone_that_was_asked_to_stop(ada: Any) -> None:
    run = started(ada)
    actions.request_cancel(run.pk)
    assert actions.take_up(run.pk) is None


def test_it_leaves_a_run_alone_that_is_gone(db: None) -> None:
    assert actions.take_up(uuid.uuid4()) is None


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_at_the_same_moment_one_takes_it_up(ada: Any, said: list[Any]) -> None:
    run = started(ada)
    results = race(*[lambda: actions.take_up(run.pk)] * 4)
    assert sorted(result is None for result in results) == [False, True, True, True]
