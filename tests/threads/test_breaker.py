import logging
import threading

import pytest

from threads.breaker import PAUSE, Breaker, NotTried


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("The thing", OSError, clock=clock)


def fail(breaker: Breaker, error: Exception | None = None) -> None:
    with pytest.raises(type(error or OSError())), breaker.trying():
        raise error or OSError


def try_it(breaker: Breaker) -> bool:
    try:
        with breaker.trying():
            return True
    except NotTried:
        return False


def test_while_it_answers_every_call_goes_through(breaker: Breaker) -> None:
    assert [try_it(breaker) for _ in range(3)] == [True] * 3


def test_after_a_failure_nobody_tries_for_a_while(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += PAUSE - 0.01
    assert [try_it(breaker) for _ in range(3)] == [False] * 3


def test_then_one_tries_and_the_others_wait_for_what_it_finds(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += PAUSE
    with breaker.trying():
        assert not try_it(breaker)
    assert try_it(breaker)


def test_whoever_tried_in_vain_keeps_it_closed_for_as_long_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += PAUSE
    fail(breaker)
    clock.now += PAUSE - 0.01
    assert not try_it(breaker)
    clock.now += 0.01
    assert try_it(breaker)


def test_one_who_vanishes_while_trying_leaves_the_try_to_the_next(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += PAUSE
    with pytest.raises(KeyboardInterrupt), breaker.trying():
        raise KeyboardInterrupt
    assert not try_it(breaker)
    clock.now += PAUSE
    assert try_it(breaker)


def test_a_refusal_is_an_answer(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, ValueError("no"))
    assert try_it(breaker)
    fail(breaker)
    clock.now += PAUSE
    fail(breaker, ValueError("no"))
    assert try_it(breaker)


def test_each_change_is_one_line_and_no_text_of_the_error_is_in_it(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            fail(breaker, OSError("redis://:secret@host"))
            clock.now += PAUSE
        for _ in range(3):
            assert try_it(breaker)
    assert [record.message for record in caplog.records] == [
        "The thing does not answer (OSError); until it does, nobody waits for it",
        f"The thing answers again after {5 * PAUSE:.0f} s",
    ]


def test_of_many_threads_one_tries(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += PAUSE
    tried, all_here, all_asked = [], threading.Barrier(20), threading.Barrier(20)

    def call() -> None:
        all_here.wait()
        try:
            with breaker.trying():
                tried.append(1)
                all_asked.wait()
        except NotTried:
            all_asked.wait()

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert tried == [1]
