from typing import Any

import pytest
from django.test import Client

from threads.actions import create_thread
from threads.events import Event
from threads.models import Thread

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
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert not Thread.objects.filter(pk=thread.pk).exists()


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
@pytest.mark.parametrize("verb", ["rename", "delete"])
def test_it_leads_to_nothing_but_a_page_of_ours(page: Client, thread: Thread, verb: str, where: str) -> None:
    answer = page.post(f"/threads/{thread.pk}/{verb}/", {"title": "x", "next": where})
    assert (answer.status_code, answer["Location"]) == (302, "/" if verb == "delete" else f"/threads/{thread.pk}/")


@pytest.mark.parametrize("verb", ["rename", "delete"])
def test_a_hostile_title_is_text(page: Client, ada: Any, verb: str) -> None:
    thread = create_thread(ada, HOSTILE)
    shown = page.get(f"/threads/{thread.pk}/{verb}/").content.decode()
    assert "<img" not in shown
    assert "&lt;img" in shown
