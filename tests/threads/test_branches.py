from typing import Any

import pytest

from threads import actions
from threads.branches import Branches
from threads.history import history_of
from threads.models import Message, Thread

pytestmark = pytest.mark.usefixtures("ada")


def fresh(thread: Thread) -> Thread:
    return Thread.objects.get(pk=thread.pk)


def answered(thread: Thread, text: str, **place: Any) -> Message:
    """A prompt with its answer."""
    prompt = actions.add_prompt(thread, text, **place)
    actions.add_message(thread.pk, Message.Kind.FINAL, f"To {text}", parent_id=prompt.pk)
    return prompt


@pytest.fixture
def thread(ada: Any) -> Thread:
    return actions.create_thread(ada)


def texts(thread: Thread) -> list[str]:
    """The branch that is shown."""
    names = dict(thread.messages.values_list("pk", "content"))
    return [names[prompt] for prompt in Branches.of(fresh(thread)).shown]


def test_a_thread_without_prompts_shows_nothing(thread: Thread) -> None:
    branches = Branches.of(thread)
    assert (branches.shown, branches.before, branches.tip) == ([], {}, None)


def test_prompts_follow_each_other_over_the_answers_and_also_without(thread: Thread) -> None:
    one = answered(thread, "One")
    two = actions.add_prompt(thread, "Two")  # it stays without an answer
    three = answered(thread, "Three")
    assert Branches.of(fresh(thread)).before == {one.pk: None, two.pk: one.pk, three.pk: two.pk}
    assert texts(thread) == ["One", "Two", "Three"]


def test_another_version_begins_a_branch_and_is_shown(thread: Thread) -> None:
    answered(thread, "One")
    two = answered(thread, "Two")
    answered(thread, "Three")
    answered(thread, "Two, edited", instead_of=two)
    assert texts(thread) == ["One", "Two, edited"]
    answered(thread, "Four")
    assert texts(thread) == ["One", "Two, edited", "Four"]


def test_the_first_prompt_has_versions_too(thread: Thread) -> None:
    one = answered(thread, "One")
    other = answered(thread, "One, edited", instead_of=one)
    third = answered(thread, "One, once more", instead_of=other)
    branches = Branches.of(fresh(thread))
    seen = branches.versions(other.pk)
    assert (seen.number, seen.count, seen.previous, seen.next) == (2, 3, one.pk, third.pk)
    assert (branches.versions(one.pk).previous, branches.versions(third.pk).next) == (None, None)
    assert texts(thread) == ["One, once more"]


def test_a_version_is_counted_among_those_of_its_own_place(thread: Thread) -> None:
    answered(thread, "One")
    two = answered(thread, "Two")
    three = answered(thread, "Three")
    answered(thread, "Two, edited", instead_of=two)
    branches = Branches.of(fresh(thread))
    assert [branches.versions(each.pk).count for each in (two, three)] == [2, 1]


def test_choosing_a_version_shows_its_newest_branch_to_the_end(thread: Thread) -> None:
    answered(thread, "One")
    two = answered(thread, "Two")
    three = answered(thread, "Three")
    answered(thread, "Three, edited", instead_of=three)
    answered(thread, "Four")
    other = answered(thread, "Two, edited", instead_of=two)
    actions.show_branch(thread, two.pk)
    assert texts(thread) == ["One", "Two", "Three, edited", "Four"]
    actions.show_branch(thread, three.pk)
    assert texts(thread) == ["One", "Two", "Three"]
    actions.show_branch(thread, other.pk)
    assert texts(thread) == ["One", "Two, edited"]


def test_only_a_prompt_of_the_thread_can_be_chosen(thread: Thread, ada: Any) -> None:
    one = answered(thread, "One")
    elsewhere = answered(actions.create_thread(ada), "Elsewhere")
    for wrong in (elsewhere.pk, one.replies.get().pk):
        with pytest.raises(Message.DoesNotExist):
            actions.show_branch(thread, wrong)
    assert texts(thread) == ["One"]


def test_a_model_reads_the_branch_of_its_prompt_and_no_other(thread: Thread) -> None:
    one = answered(thread, "One")
    answered(thread, "Two")
    answered(thread, "One, edited", instead_of=one)
    last = answered(thread, "Three")
    assert [turn.content for turn in history_of(last)] == ["One, edited", "To One, edited", "Three"]


def test_the_open_pages_are_told_which_branch_is_shown(
    thread: Thread, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("threads.channel.send", lambda _thread, event: told.append(event.payload()["thread"]["tip"]))
    with django_capture_on_commit_callbacks(execute=True):
        one = answered(thread, "One")
        other = answered(thread, "Other", instead_of=one)
        actions.show_branch(thread, one.pk)
    assert told == [str(one.pk), str(other.pk), str(one.pk)]


def test_the_branches_of_a_long_thread_are_one_query_without_texts(
    thread: Thread, django_assert_num_queries: Any
) -> None:
    for number in range(12):
        answered(thread, f"Number {number}")
    thread = fresh(thread)
    with django_assert_num_queries(1) as read:
        assert len(Branches.of(thread).shown) == 12
    assert "content" not in read.captured_queries[0]["sql"]
