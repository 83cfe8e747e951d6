from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from threads.actions import add_prompt, create_thread, share_thread
from threads.events import Event
from threads.models import Share, Thread

HOSTILE = '<img src=x onerror="alert(1)">&{{ 7|add:7 }}'


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    events: list[Event] = []
    monkeypatch.setattr("threads.channel.send", lambda _thread, event: events.append(event))
    monkeypatch.setattr("threads.channel.close", lambda _thread: None)
    return events


@pytest.fixture
def thread(ada: Any) -> Thread:
    return create_thread(ada, "An old title")


@pytest.fixture
def page(client: Client, ada: Any) -> Client:
    client.force_login(ada)
    return client


def test_a_thread_is_renamed(page: Client, thread: Thread) -> None:
    answer = page.post(f"/threads/{thread.pk}/rename/", {"title": "  A new   title "})
    assert (answer.status_code, answer["Location"]) == (302, f"/threads/{thread.pk}/")
    thread.refresh_from_db()
    assert thread.title == "A new title"


def test_renaming_asks_first(page: Client, thread: Thread) -> None:
    answer = page.get(f"/threads/{thread.pk}/rename/")
    assert 'value="An old title"' in answer.content.decode()


@pytest.mark.parametrize(("title", "says"), [("  ", "The title is empty"), ("x" * 201, "201"), ("a\x00b", "NUL")])
def test_a_title_that_cannot_be_stored_is_explained_and_kept(
    page: Client, thread: Thread, title: str, says: str
) -> None:
    answer = page.post(f"/threads/{thread.pk}/rename/", {"title": title})
    assert answer.status_code == 400
    assert says in answer.content.decode()
    thread.refresh_from_db()
    assert thread.title == "An old title"


def test_a_thread_is_deleted_after_it_was_asked_for(page: Client, thread: Thread) -> None:
    assert "Delete this thread?" in page.get(f"/threads/{thread.pk}/delete/").content.decode()
    assert Thread.objects.filter(pk=thread.pk).exists()
    answer = page.post(f"/threads/{thread.pk}/delete/")
    assert (answer.status_code, answer["Location"]) == (302, f"/?deleted={thread.pk}")
    assert not Thread.objects.owned_by(thread.owner).exists()


@pytest.mark.parametrize("verb", ["rename", "delete"])
def test_somebody_elses_thread_answers_like_none(page: Client, bob: Any, verb: str) -> None:
    theirs = create_thread(bob, "Bob's")
    for method in (page.get, page.post):
        assert method(f"/threads/{theirs.pk}/{verb}/", {"title": "Mine"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.title == "Bob's"


@pytest.mark.parametrize("verb", ["rename", "delete"])
def test_a_stranger_is_asked_to_sign_in(client: Client, thread: Thread, verb: str) -> None:
    answer = client.post(f"/threads/{thread.pk}/{verb}/", {"title": "x"})
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/sign-in/")
    assert Thread.objects.filter(title="An old title").exists()


@pytest.mark.parametrize("verb", ["rename", "delete"])
def test_another_site_cannot_send_it(ada: Any, thread: Thread, verb: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    answer = client.post(f"/threads/{thread.pk}/{verb}/", {"title": "x"})
    assert answer.status_code == 403
    assert "This page is out of date" in answer.content.decode()
    assert Thread.objects.filter(title="An old title").exists()


def test_it_goes_back_to_where_the_person_was(page: Client, thread: Thread) -> None:
    answer = page.post(f"/threads/{thread.pk}/rename/", {"title": "x", "next": "/threads/other/"})
    assert answer["Location"] == "/threads/other/"


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "javascript:alert(1)",
    "zzz",
    "threads",
    ".",
]


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("verb", ["rename", "pin"])
def test_it_leads_to_nothing_but_a_page_of_ours(page: Client, thread: Thread, verb: str, where: str) -> None:
    answer = page.post(f"/threads/{thread.pk}/{verb}/", {"title": "x", "next": where})
    assert (answer.status_code, answer["Location"]) == (302, f"/threads/{thread.pk}/")


@pytest.mark.parametrize("verb", ["rename", "delete"])
def test_a_hostile_title_is_text(page: Client, ada: Any, verb: str) -> None:
    thread = create_thread(ada, HOSTILE)
    shown = page.get(f"/threads/{thread.pk}/{verb}/").content.decode()
    assert "<img" not in shown
    assert "&lt;img" in shown


FETCH = {"X-Requested-With": "fetch"}


def test_the_script_is_answered_with_nothing_or_one_sentence(page: Client, thread: Thread) -> None:
    done = page.post(f"/threads/{thread.pk}/rename/", {"title": "New"}, headers=FETCH)
    assert (done.status_code, done.content) == (204, b"")
    refused = page.post(f"/threads/{thread.pk}/rename/", {"title": " "}, headers=FETCH)
    assert (refused.status_code, refused["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert refused.content.decode() == "The title is empty. Type a few words."
    assert Thread.objects.get().title == "New"


def test_a_thread_is_pinned_and_unpinned(page: Client, thread: Thread) -> None:
    for pinned in ("yes", "no"):
        answer = page.post(f"/threads/{thread.pk}/pin/", {"pinned": pinned, "next": "/"})
        assert (answer.status_code, answer["Location"]) == (302, "/")
        thread.refresh_from_db()
        assert (thread.pinned_at is not None) == (pinned == "yes")


def test_one_pin_too_many_is_refused(page: Client, thread: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.actions.PINS_MAX", 0)
    answer = page.post(f"/threads/{thread.pk}/pin/", {"pinned": "yes"}, headers=FETCH)
    assert (answer.status_code, "Unpin one first" in answer.content.decode()) == (400, True)


def test_a_deleted_thread_comes_back(page: Client, thread: Thread) -> None:
    assert page.post(f"/threads/{thread.pk}/delete/", headers=FETCH).status_code == 204
    assert page.get(f"/threads/{thread.pk}/rename/").status_code == 404
    answer = page.post(f"/threads/{thread.pk}/restore/")
    assert (answer.status_code, answer["Location"]) == (302, f"/threads/{thread.pk}/")
    assert page.get(f"/threads/{thread.pk}/rename/").status_code == 200
    assert page.post(f"/threads/{thread.pk}/restore/").status_code == 404


def test_the_page_after_a_deletion_offers_the_way_back(page: Client, thread: Thread, bob: Any) -> None:
    assert "data-undo data-open" not in page.get(f"/?deleted={thread.pk}").content.decode()
    answer = page.post(f"/threads/{thread.pk}/delete/", follow=True)
    assert f'formaction="/threads/{thread.pk}/restore/" data-undo' in answer.content.decode()
    page.force_login(bob)
    for asked in (thread.pk, "zzz", ""):
        assert "data-undo data-open" not in page.get(f"/?deleted={asked}").content.decode()


def test_nobody_restores_somebody_elses_thread(page: Client, bob: Any) -> None:
    theirs = create_thread(bob)
    page.post(f"/threads/{theirs.pk}/restore/")
    Thread.objects.update(deleted_at=Now())
    assert page.post(f"/threads/{theirs.pk}/restore/").status_code == 404
    assert Thread.objects.deleted_by(bob).exists()


@pytest.mark.parametrize("verb", ["pin", "restore", "unshare"])
def test_who_comes_by_get_changes_nothing(page: Client, thread: Thread, verb: str) -> None:
    answer = page.get(f"/threads/{thread.pk}/{verb}/")
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_a_part_of_the_list_is_a_piece_of_the_page(page: Client, ada: Any, bob: Any) -> None:
    create_thread(bob, "Theirs")
    thread = create_thread(ada, HOSTILE)
    html = page.get("/threads/list/?q=onerror").content.decode()
    assert f'data-thread="{thread.pk}"' in html
    assert "<img" not in html
    assert "<html" not in html
    assert "Theirs" not in page.get("/threads/list/").content.decode()
    assert "No thread has these words in it." in page.get("/threads/list/?q=theirs").content.decode()
    assert page.get("/threads/list/?older=zzz").status_code == 404


def test_an_excerpt_is_text(page: Client, thread: Thread) -> None:
    add_prompt(thread, f"{HOSTILE} needle {HOSTILE}")
    html = page.get("/threads/list/?q=needle").content.decode()
    assert "<mark>needle</mark>" in html
    assert "<img" not in html


def test_a_link_is_made_widened_and_revoked(page: Client, thread: Thread) -> None:
    address = f"/threads/{thread.pk}/share/"
    assert "There is nothing to share yet" in page.post(address).content.decode()
    add_prompt(thread, "One?")
    assert "Make a link" in page.get(address).content.decode()
    made = page.post(address, headers=FETCH).content.decode()
    share = Share.objects.get()
    assert f'value="http://testserver/shared/{share.token}/"' in made
    assert "as it stands now" in made
    second = add_prompt(thread, "Two?")
    assert "Show the newest turns too" in page.get(address).content.decode()
    page.post(address)
    assert Share.objects.get().token == share.token
    assert Share.objects.get().tip == second
    page.post(f"/threads/{thread.pk}/unshare/")
    assert not Share.objects.exists()
    page.post(address)
    assert Share.objects.get().token != share.token


def test_a_token_cannot_be_guessed(ada: Any) -> None:
    tokens = set()
    for _ in range(20):
        thread = create_thread(ada)
        add_prompt(thread, "Why?")
        tokens.add(share_thread(thread).token)
    assert {len(token) for token in tokens} == {43}
    assert len(tokens) == 20
