from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models.functions import Now

from tests.racing import race
from threads import actions, channel
from threads.models import Message, Share, Thread


def test_a_thread_begins_with_a_tidy_title(ada: Any) -> None:
    thread = actions.create_thread(ada, "  On \n fugues ", "Be brief.")
    assert (thread.title, thread.system_prompt, thread.kind) == ("On fugues", "Be brief.", "conversation")


@pytest.mark.parametrize(
    ("title", "sentence"),
    [("x" * 201, "has 201 characters; the limit is 200"), ("\x00", "NUL"), ("\udc00", "half of a character")],
)
def test_a_title_that_cannot_be_stored_is_refused(ada: Any, title: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        actions.create_thread(ada, title)
    with pytest.raises(ValidationError, match=sentence):
        actions.rename_thread(actions.create_thread(ada, "before"), title)
    assert list(Thread.objects.values_list("title", flat=True)) == ["before"]


def test_a_system_prompt_has_the_limit_of_a_prompt(ada: Any, settings: Any) -> None:
    settings.PROMPT_MAX_CHARS = 5
    with pytest.raises(ValidationError, match="system prompt has 6 characters"):
        actions.create_thread(ada, system_prompt="123456")


def test_a_thread_is_renamed(ada: Any) -> None:
    thread = actions.create_thread(ada, "before")
    assert actions.rename_thread(thread, " after ").title == "after"
    assert Thread.objects.get().title == "after"


def test_a_blank_title_is_refused(ada: Any) -> None:
    with pytest.raises(ValidationError, match="The title is empty"):
        actions.rename_thread(actions.create_thread(ada, "before"), " \t ")


def long_ago(thread: Thread) -> None:
    """As if it had been deleted before the time in which it can be had back."""
    Thread.objects.filter(pk=thread.pk).update(deleted_at=Now() - timedelta(days=1))


def test_a_deleted_thread_is_nobodys_and_can_be_had_back(ada: Any) -> None:
    thread = actions.create_thread(ada)
    actions.delete_thread(thread)
    assert not Thread.objects.owned_by(ada).exists()
    assert actions.remove_deleted() == 0
    actions.restore_thread(Thread.objects.deleted_by(ada).get())
    assert list(Thread.objects.owned_by(ada)) == [thread]
    assert not Thread.objects.deleted_by(ada).exists()


def test_what_was_deleted_long_ago_is_removed_with_its_lanes_and_messages(ada: Any) -> None:
    thread, other = actions.create_thread(ada), actions.create_thread(ada)
    prompt = actions.add_prompt(thread, "Why?")
    actions.create_lanes(prompt, 2)
    actions.share_thread(thread)
    actions.delete_thread(thread)
    actions.delete_thread(other)
    long_ago(thread)
    assert actions.remove_deleted() == 1
    assert (Thread.objects.get(), Message.objects.count(), Share.objects.count()) == (other, 0, 0)
    with pytest.raises(Thread.DoesNotExist):
        actions.restore_thread(thread)


def test_one_sweep_removes_no_more_than_some(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "REMOVED_AT_ONCE", 2)
    for _ in range(3):
        long_ago(actions.create_thread(ada))
    assert [actions.remove_deleted(), actions.remove_deleted(), actions.remove_deleted()] == [2, 1, 0]


def test_the_sockets_of_a_deleted_thread_close_after_the_commit(
    ada: Any, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    closed: list[Any] = []
    monkeypatch.setattr(channel, "close", closed.append)
    thread = actions.create_thread(ada)
    with django_capture_on_commit_callbacks(execute=True):
        actions.delete_thread(thread)
        actions.delete_thread(thread)  # nothing is left to do
        assert closed == []
    assert closed == [thread.pk]


@pytest.mark.django_db(transaction=True)
def test_the_sockets_close_once_the_thread_is_really_gone(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(channel, "close", lambda _thread_id: left.append(Thread.objects.owned_by(ada).count()))
    actions.delete_thread(actions.create_thread(ada))
    assert left == [0]


def test_only_so_many_threads_can_be_pinned(ada: Any, bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "PINS_MAX", 2)
    actions.pin_thread(actions.create_thread(bob), pinned=True)
    one, two, three = (actions.create_thread(ada) for _ in range(3))
    assert actions.pin_thread(one, pinned=True).pinned_at is not None
    actions.pin_thread(two, pinned=True)
    actions.pin_thread(two, pinned=True)
    with pytest.raises(ValidationError, match="2 threads are pinned already"):
        actions.pin_thread(three, pinned=True)
    assert actions.pin_thread(one, pinned=False).pinned_at is None
    actions.pin_thread(three, pinned=True)


def test_a_pinned_thread_that_comes_back_finds_its_place_taken(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "PINS_MAX", 1)
    one, two = (actions.create_thread(ada) for _ in range(2))
    actions.pin_thread(one, pinned=True)
    actions.delete_thread(one)
    assert actions.restore_thread(one).pinned_at is not None
    actions.delete_thread(one)
    actions.pin_thread(two, pinned=True)
    assert actions.restore_thread(one).pinned_at is None


@pytest.mark.parametrize("blank", ["", " ", "\n\t\u00a0\u2003"])
def test_a_blank_prompt_is_refused(ada: Any, blank: str) -> None:
    with pytest.raises(ValidationError, match="The prompt is empty"):
        actions.add_prompt(actions.create_thread(ada), blank)
    assert not Message.objects.exists()


def test_a_prompt_follows_the_last_turn_that_is_no_draft(ada: Any) -> None:
    thread = actions.create_thread(ada)
    first = actions.add_prompt(thread, "One?")
    actions.add_message(thread.pk, Message.Kind.DRAFT, "draft", parent_id=first.pk)
    final = actions.add_message(thread.pk, Message.Kind.FINAL, "final", parent_id=first.pk)
    second = actions.add_prompt(thread, "Two?")
    assert second.parent == final
    assert [message.position for message in thread.messages.all()] == [0, 1, 2, 3]


def test_a_long_first_prompt_becomes_a_short_title(ada: Any) -> None:
    thread = actions.create_thread(ada)
    actions.add_prompt(thread, "word " * 50)
    assert thread.title.endswith("word…")
    assert len(thread.title) <= 60


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("# A heading\n\nand more", "A heading and more"),
        ("- one\n- two", "one - two"),
        ("Fix this:\n\n```python\nprint(1)\n```\nplease", "Fix this:"),
        ("```sh\nls\n```", "```sh ls ```"),
        ("#include <stdio.h>", "#include <stdio.h>"),
    ],
)
def test_marks_of_formatting_and_code_are_no_title(ada: Any, prompt: str, title: str) -> None:
    thread = actions.create_thread(ada)
    actions.add_prompt(thread, prompt)
    assert thread.title == title


def test_a_first_prompt_in_one_long_word_becomes_a_short_title(ada: Any) -> None:
    thread = actions.create_thread(ada)
    actions.add_prompt(thread, "長" * 300)
    assert thread.title == "長" * 59 + "…"


def test_a_thread_with_a_title_keeps_it(ada: Any) -> None:
    thread = actions.create_thread(ada, "Mine")
    actions.add_prompt(thread, "Why?")
    assert Thread.objects.get().title == "Mine"


@pytest.mark.django_db(transaction=True)
def test_turns_that_arrive_at_the_same_moment_get_a_position_each(ada: Any) -> None:
    thread = actions.create_thread(ada)
    race(*[lambda: actions.add_message(thread.pk, Message.Kind.FINAL, "x", parent_id=None)] * 5)
    assert [message.position for message in thread.messages.all()] == [0, 1, 2, 3, 4]


def test_lanes_are_never_among_the_threads_of_a_person(ada: Any, bob: Any) -> None:
    thread = actions.create_thread(ada)
    actions.create_lanes(actions.add_prompt(thread, "Why?"), 3)
    assert list(Thread.objects.owned_by(ada)) == [thread]
    assert list(Thread.objects.owned_by(bob)) == []
