from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from tests.admin import blocked_by_csp
from threads.actions import add_message, add_prompt, create_lanes, create_thread
from threads.models import Message, Thread

HOSTILE = "<script>alert(1)</script><img src=//evil>"


@pytest.fixture
def admin(bob: Any) -> Client:
    bob.is_staff = bob.is_superuser = True
    bob.save()
    client = Client()
    client.force_login(bob)
    return client


@pytest.fixture
def thread(ada: Any) -> Thread:
    thread = create_thread(ada, HOSTILE)
    prompt = add_prompt(thread, HOSTILE)
    add_message(thread.pk, Message.Kind.FINAL, HOSTILE, parent_id=prompt.pk, model_id="swift:one")
    create_lanes(prompt, 1)
    return thread


PAGES = ["thread/", "message/", "thread/{thread}/change/", "message/{message}/change/"]


@pytest.mark.parametrize("page", PAGES)
def test_each_page_shows_texts_as_texts_and_works_under_the_csp(admin: Client, thread: Thread, page: str) -> None:
    message = thread.messages.all()[0]
    answer = admin.get("/admin/threads/" + page.format(thread=thread.pk, message=message.pk))
    assert answer.status_code == 200
    assert HOSTILE not in answer.content.decode()
    assert "&lt;script&gt;" in answer.content.decode()
    assert blocked_by_csp(answer) == []


def test_a_thread_shows_its_messages(admin: Client, thread: Thread) -> None:
    page = admin.get(f"/admin/threads/thread/{thread.pk}/change/").content.decode()
    assert "swift:one" in page
    assert "Prompt" in page
    assert "Final answer" in page


@pytest.mark.parametrize("model", ["thread", "message"])
@pytest.mark.parametrize("page", ["add/", "{id}/delete/"])
def test_nothing_can_be_added_or_deleted(admin: Client, thread: Thread, model: str, page: str) -> None:
    row = thread if model == "thread" else thread.messages.all()[0]
    address = f"/admin/threads/{model}/{page.format(id=row.pk)}"
    assert admin.get(address).status_code == 403
    assert admin.post(address, {"post": "yes"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()


def test_nothing_can_be_changed(admin: Client, thread: Thread) -> None:
    address = f"/admin/threads/thread/{thread.pk}/change/"
    assert b'name="_save"' not in admin.get(address).content
    assert admin.post(address, {"title": "Mine"}).status_code == 403
    assert Thread.objects.get(pk=thread.pk).title == HOSTILE


@pytest.mark.parametrize("query", ["q=script", "q=ada", "q=%00", "kind__exact=lane", "q=" + "x" * 3000, "nonsense=1"])
def test_searches_and_filters_answer(admin: Client, thread: Thread, query: str) -> None:
    for model in ("thread", "message"):
        assert admin.get(f"/admin/threads/{model}/?{query}", follow=True).status_code == 200


def test_staff_see_it_with_the_permission_to_view_and_not_without(client: Client, ada: Any, thread: Thread) -> None:
    ada.is_staff = True
    ada.save()
    client.force_login(ada)
    assert client.get("/admin/threads/thread/").status_code == 403
    ada.user_permissions.add(Permission.objects.get(codename="view_thread"))
    assert client.get("/admin/threads/thread/").status_code == 200


@pytest.mark.parametrize("model", ["thread", "message"])
def test_a_list_takes_a_constant_number_of_queries(
    admin: Client, ada: Any, django_assert_max_num_queries: Any, model: str
) -> None:
    for number in range(20):
        add_prompt(create_thread(ada, str(number)), "Why?")
    with django_assert_max_num_queries(6):
        admin.get(f"/admin/threads/{model}/")


def test_a_thread_takes_a_constant_number_of_queries(
    admin: Client, thread: Thread, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        add_message(thread.pk, Message.Kind.FINAL, "x", parent_id=None)
    with django_assert_max_num_queries(9):
        admin.get(f"/admin/threads/thread/{thread.pk}/change/")


def test_a_person_can_be_deleted_with_all_that_is_theirs(admin: Client, thread: Thread) -> None:
    answer = admin.post(f"/admin/auth/user/{thread.owner_id}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not Thread.objects.filter(pk=thread.pk).exists()
