from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from threads import accounts

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> str:
    return accounts.link_path(accounts.owner())


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_the_first_owner_is_an_administrator_without_a_password() -> None:
    owner = accounts.owner()
    assert (owner.username, owner.is_superuser, owner.is_staff, owner.has_usable_password()) == (
        "owner",
        True,
        True,
        False,
    )
    assert accounts.owner() == owner


def test_an_administrator_who_is_there_stays_the_owner() -> None:
    admin = User.objects.create_superuser("admin", password="a long pass phrase")
    assert accounts.owner() == admin


def test_a_stranger_named_owner_becomes_no_administrator() -> None:
    User.objects.create_user("owner", password="a long pass phrase")
    assert accounts.owner().username == "owner-2"


def test_the_link_signs_in_once(client: Client, link: str) -> None:
    answer = client.get(link)
    assert answer.status_code == 302
    assert signed_in(client)
    second = Client()
    assert second.get(link).status_code == 403
    assert not signed_in(second)


def test_a_refused_link_says_what_to_do(client: Client, link: str) -> None:
    answer = client.get(link[:-2] + "/")
    assert answer.status_code == 403
    assert "make run" in answer.content.decode()
    assert "sign_in_link" in answer.content.decode()


def test_any_sign_in_ends_every_link_that_was_printed(client: Client, link: str) -> None:
    other = accounts.link_path(accounts.owner())
    client.get(other)
    assert Client().get(link).status_code == 403


def test_the_link_ends_after_an_hour(client: Client, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.now() + timedelta(hours=1, seconds=2)  # noqa: DTZ005 -- as Django's own tokens count
    monkeypatch.setattr(accounts.tokens, "_now", lambda: later)
    assert client.get(link).status_code == 403


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}])
def test_a_browser_that_looks_ahead_does_not_use_it_up(client: Client, link: str, headers: dict[str, str]) -> None:
    assert client.get(link, headers=headers).status_code == 503
    assert client.head(link).status_code == 405
    assert client.get(link).status_code == 302


@pytest.mark.parametrize(
    "path", ["/sign-in/99999999999999999999/a-b/", "/sign-in/7/a-b/", "/sign-in/1/-/", "/sign-in/1/x/"]
)
def test_nonsense_is_refused_like_a_used_link(client: Client, link: str, path: str) -> None:
    assert client.get(path).status_code == 403


def test_somebody_who_may_not_sign_in_cannot_by_link(client: Client) -> None:
    user = User.objects.create_user("gone", is_active=False)
    assert client.get(accounts.link_path(user)).status_code == 403


def test_who_may_no_longer_sign_in_is_signed_out(client: Client, ada: Any) -> None:
    client.force_login(ada)
    assert client.get("/").status_code == 200
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert client.get("/").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_moment_one_gets_in(link: str) -> None:
    def use(_: int) -> int:
        try:
            return Client().get(link).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(use, range(4))) == [302, 403, 403, 403]


def test_sign_up_is_off_unless_switched_on(client: Client, settings: Settings) -> None:
    assert client.get("/sign-up/").status_code == 404
    assert b"/sign-up/" not in client.get("/sign-in/").content
    settings.SIGN_UP = True
    assert client.get("/sign-up/").status_code == 200
    assert b"/sign-up/" in client.get("/sign-in/").content


def test_a_stranger_signs_up_and_is_no_administrator(client: Client, settings: Settings) -> None:
    settings.SIGN_UP = True
    form = {"username": "eve", "password1": "a long pass phrase", "password2": "a long pass phrase"}
    assert client.post("/sign-up/", form).status_code == 302
    assert signed_in(client)
    assert not User.objects.get(username="eve").is_staff


def test_sign_in_and_out_with_a_password(client: Client, ada: Any) -> None:
    form = {"username": "ada", "password": "a long pass phrase"}
    assert client.post("/sign-in/", {**form, "password": "wrong"}).status_code == 200
    assert not signed_in(client)
    assert client.post("/sign-in/", form).status_code == 302
    assert signed_in(client)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert not signed_in(client)


def test_the_command_prints_a_link_that_works(client: Client, ada: Any) -> None:
    out = StringIO()
    call_command("sign_in_link", "ada", stdout=out)
    url = out.getvalue().strip()
    assert url.startswith("http://127.0.0.1:8000/sign-in/")
    assert client.get(url.removeprefix("http://127.0.0.1:8000")).status_code == 302
    with pytest.raises(CommandError, match="no active account nobody"):
        call_command("sign_in_link", "nobody")
