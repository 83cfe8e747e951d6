import time
from typing import Any

import pytest

from threads import actions, listing
from threads.listing import Listing, list_threads
from threads.models import Message, Thread


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.channel.send", lambda _thread, _event: None)


def listed(owner: Any, words: str = "", after: Any = None) -> Listing:
    return list_threads(Thread.objects.owned_by(owner), words, after)


def titles(owner: Any, words: str = "", after: Any = None) -> list[str]:
    return [row.thread.title for row in listed(owner, words, after).rows]


def test_pinned_threads_stand_on_top_and_in_the_first_part_only(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LISTED", 2)
    threads = [actions.create_thread(ada, str(number)) for number in range(5)]
    actions.pin_thread(threads[0], pinned=True)
    first = listed(ada)
    assert [row.thread.title for row in first.rows] == ["0", "4", "3"]
    assert titles(ada, after=first.older) == ["2", "1"]


def test_what_was_pinned_last_stands_first_whenever_it_was_used(ada: Any) -> None:
    threads = [actions.create_thread(ada, str(number)) for number in range(4)]
    for thread in (threads[2], threads[0], threads[1]):
        actions.pin_thread(thread, pinned=True)
        time.sleep(0.002)  # SQLite's clock tells milliseconds
    assert titles(ada) == ["1", "0", "2", "3"]
    assert listed(ada).older is None


def test_a_list_that_changes_between_two_parts_skips_nothing(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LISTED", 2)
    threads = [actions.create_thread(ada, str(number)) for number in range(5)]
    first = listed(ada)
    actions.create_thread(ada, "new")
    actions.delete_thread(threads[4])
    assert titles(ada, after=first.older) == ["2", "1"]


def test_a_list_that_ends_exactly_has_no_further_part(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LISTED", 2)
    for number in range(2):
        actions.create_thread(ada, str(number))
    assert listed(ada).older is None


def test_every_word_must_stand_in_the_title_or_in_a_text(ada: Any) -> None:
    thread = actions.create_thread(ada, "On fugues")
    prompt = actions.add_prompt(thread, "What is a stretto?")
    actions.add_message(thread.pk, Message.Kind.FINAL, "An overlap of entries.", parent_id=prompt.pk)
    actions.create_thread(ada, "On canons")
    for words in ("fugue", "STRETTO", "overlap", "on stretto overlap"):
        assert titles(ada, words) == ["On fugues"], words
    assert titles(ada, "on") == ["On canons", "On fugues"]
    assert titles(ada, "stretto canons") == []


def test_drafts_deleted_threads_and_those_of_others_are_not_found(ada: Any, bob: Any) -> None:
    thread = actions.create_thread(ada, "Mine")
    prompt = actions.add_prompt(thread, "Why?")
    actions.add_message(thread.pk, Message.Kind.DRAFT, "a needle", parent_id=prompt.pk)
    actions.add_prompt(actions.create_thread(bob, "Theirs"), "a needle")
    actions.create_thread(bob, "needle")
    actions.delete_thread(actions.create_thread(ada, "needle"))
    lane = actions.create_lanes(prompt, 1)[0]
    actions.add_message(lane.pk, Message.Kind.FINAL, "a needle", parent_id=None)
    assert titles(ada, "needle") == []


@pytest.mark.parametrize("words", ["ÜBUNG", "übung", "Übung"])
def test_capital_letters_are_small_ones_also_beyond_ascii(ada: Any, words: str) -> None:
    actions.add_prompt(actions.create_thread(ada, "One"), "Eine übung")
    actions.add_prompt(actions.create_thread(ada, "Two"), "Die Übung")
    actions.create_thread(ada, "ÜBUNG")
    assert titles(ada, words) == ["ÜBUNG", "Two", "One"]


@pytest.mark.parametrize("words", ["%", "_", "100%", "\\", "'", "a_b"])
def test_signs_that_mean_something_to_a_database_are_signs(ada: Any, words: str) -> None:
    actions.create_thread(ada, "nothing of it: 100 aXb")
    wanted = actions.create_thread(ada, f"It is {words} here")
    assert titles(ada, words) == [wanted.title]


@pytest.mark.parametrize("words", ["", "   ", "\x00"])
def test_no_words_find_everything(ada: Any, words: str) -> None:
    actions.create_thread(ada, "One")
    assert titles(ada, words) == ["One"]


def test_the_place_is_shown_where_the_title_does_not_say_it(ada: Any) -> None:
    thread = actions.create_thread(ada, "On fugues")
    actions.add_prompt(thread, f"{'before ' * 20}Stretto{' after' * 40}")
    excerpt = listed(ada, "stretto").rows[0].excerpt
    assert excerpt is not None
    assert (excerpt.before[0], excerpt.word, excerpt.after[-1]) == ("…", "Stretto", "…")
    assert len(excerpt.before + excerpt.after) <= 3 * listing.EXCERPT + 2
    assert listed(ada, "fugues").rows[0].excerpt is None


def test_words_are_looked_for_in_the_newest_threads_and_no_more(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SEARCHED", 2)
    for number in range(3):
        actions.create_thread(ada, f"needle {number}")
    assert titles(ada, "needle") == ["needle 2", "needle 1"]


def test_a_part_of_the_list_costs_the_same_however_long_it_is(ada: Any, django_assert_num_queries: Any) -> None:
    for number in range(40):
        actions.add_prompt(actions.create_thread(ada, f"Title {number}"), "a needle")
    actions.pin_thread(actions.create_thread(ada, "pinned"), pinned=True)
    with django_assert_num_queries(1):
        assert len(listed(ada).rows) == 1 + listing.LISTED
    with django_assert_num_queries(3):  # the part, and where the word stands
        assert len(listed(ada, "needle").rows) == listing.LISTED
