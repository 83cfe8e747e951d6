"""Whether there is room for one more run."""

from typing import Any

import pytest

from runs import actions
from runs.actions import Overloaded, TooManyRuns
from tests.racing import race
from tests.runs.rows import THREE, answering, ask, candidates, claimed, completed, counts, failed, started
from threads.actions import create_thread

pytestmark = pytest.mark.usefixtures("models")


def test_a_person_may_have_so_many_active_runs_and_no_more(ada: Any, bob: Any, settings: Any) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 2
    started(ada)
    answering(ada)
    thread = create_thread(ada)
    before = counts()
    with pytest.raises(TooManyRuns) as refusal:
        ask(ada, thread, "One more?", *THREE)
    assert refusal.value.retry_after > 0
    assert counts() == before, "no half run"
    assert started(bob)


def test_runs_that_have_ended_do_not_count(ada: Any, settings: Any) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 1
    completed(ada)
    failed(ada)
    assert started(ada)


def test_all_people_together_may_ask_so_much_and_no_more(ada: Any, bob: Any, settings: Any) -> None:
    settings.ACTIVE_GENERATIONS_MAX = 5
    claimed(candidates(answering(ada))[0])
    with pytest.raises(Overloaded):
        started(bob)
    assert started(bob, THREE[:2])


def test_the_same_key_still_answers_with_its_run_when_there_is_no_room(ada: Any, settings: Any) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 1
    thread = create_thread(ada)
    run, _new = ask(ada, thread, "Why?", *THREE, key="k")
    assert ask(ada, thread, "Why?", *THREE, key="k") == (run, False)


def test_beginning_a_run_again_needs_room_too(ada: Any, settings: Any) -> None:
    run = failed(ada)
    settings.ACTIVE_GENERATIONS_MAX = 2
    with pytest.raises(Overloaded):
        actions.retry(run.pk)
    settings.ACTIVE_GENERATIONS_MAX, settings.ACTIVE_RUNS_PER_USER_MAX = 400, 1
    started(ada)
    with pytest.raises(TooManyRuns):
        actions.retry(run.pk)


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_the_same_moment_do_not_share_the_last_place(ada: Any, settings: Any, said: list[Any]) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 2
    started(ada)
    threads = [create_thread(ada) for _ in range(4)]
    answers = race(*[lambda thread=thread: ask(ada, thread, "Why?", *THREE) for thread in threads])
    assert sum(isinstance(answer, TooManyRuns) for answer in answers) == 3
