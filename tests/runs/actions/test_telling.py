"""When the words of the verbs are said: at once, or after what somebody waits for."""

import threading
from typing import Any

import pytest

from runs import actions
from runs.models import Generation
from tests.runs.rows import THREE, answering, candidates, claimed, synthesizing
from threads import channel
from threads.events import Event, ThreadLive
from threads.telling import tell_on_commit

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("models", "redis_flushed"),
]


def words(said: list[Event]) -> list[str]:
    return [event.type for event in said]


def test_a_word_is_said_at_once(ada: Any, said: list[Event]) -> None:
    claimed(candidates(answering(ada, THREE))[0])
    assert words(said)[-1] == "generation.started"


def test_within_telling_later_words_wait_for_its_end_and_keep_their_order(ada: Any, said: list[Event]) -> None:
    first, second, _third = candidates(answering(ada, THREE))
    said.clear()
    with actions.telling_later():
        claimed(first)
        claimed(second)
        assert said == []
    assert [event.generation for event in said] == [str(first.pk), str(second.pk)]  # type: ignore[attr-defined]


def test_tell_now_says_what_waits_and_from_then_on_everything_at_once(ada: Any, said: list[Event]) -> None:
    first, second, _third = candidates(answering(ada, THREE))
    said.clear()
    with actions.telling_later(), actions.telling_later():
        claimed(first)
        actions.tell_now()
        assert words(said) == ["generation.started"]
        claimed(second)
        assert words(said) == ["generation.started"] * 2


def test_what_waited_of_one_thread_is_one_frame(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (answering(ada, THREE) for _ in range(2))
    frames: list[tuple[Any, list[str]]] = []
    monkeypatch.setattr(channel, "send", lambda thread, *events: frames.append((thread, words(list(events)))))
    with actions.telling_later():
        for candidate in (*candidates(first)[:2], candidates(second)[0]):
            claimed(candidate)
    assert frames == [(first.thread_id, ["generation.started"] * 2), (second.thread_id, ["generation.started"])]


def test_another_thread_says_its_words_at_once(ada: Any, said: list[Event]) -> None:
    first, _second, _third = candidates(answering(ada, THREE))
    said.clear()
    with actions.telling_later():
        other = threading.Thread(target=tell_on_commit, args=(first.thread_id, lambda: ThreadLive(live=True)))
        other.start()
        other.join()
        assert words(said) == ["thread.live"]


def test_a_word_that_cannot_be_made_keeps_no_other_from_being_said(
    ada: Any, said: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    run = synthesizing(ada)
    said.clear()

    def fail() -> Event:
        raise Generation.DoesNotExist

    with actions.telling_later():
        tell_on_commit(run.thread_id, fail)
        tell_on_commit(run.thread_id, lambda: ThreadLive(live=False))
    assert words(said) == ["thread.live"]
    assert "was not said" in caplog.text


def test_without_a_word_nothing_is_sent(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = answering(ada, THREE)
    sent: list[Any] = []
    monkeypatch.setattr(channel, "send", lambda *frame: sent.append(frame))

    def fail() -> Event:
        raise Generation.DoesNotExist

    with actions.telling_later():
        tell_on_commit(run.thread_id, fail)
    assert sent == []


def test_a_frame_that_cannot_be_sent_is_logged(
    ada: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (answering(ada, THREE) for _ in range(2))
    sent: list[Any] = []

    def send(thread: Any, *_events: Event) -> None:
        if thread == first.thread_id:
            raise RuntimeError
        sent.append(thread)

    monkeypatch.setattr(channel, "send", send)
    with actions.telling_later():
        claimed(candidates(first)[0])
        claimed(candidates(second)[0])
    assert sent == [second.thread_id]
    assert "was not said" in caplog.text


def test_words_are_said_also_when_the_context_ends_in_an_error(ada: Any, said: list[Event]) -> None:
    first = candidates(answering(ada, THREE))[0]
    said.clear()

    def fail() -> None:
        with actions.telling_later():
            claimed(first)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert words(said) == ["generation.started"]
