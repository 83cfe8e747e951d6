"""What a person chose for the pages, and what follows from it."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from threads import actions
from threads.models import Preferences
from threads.preferences import preferences_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
CHOSEN = {"theme": "dark", "send_key": "ctrl-enter", "language": "de"}


@pytest.fixture
def page(client: Client, ada: Any) -> Client:
    client.force_login(ada)
    return client


def html(page: Client, path: str = "/settings/", **headers: str) -> str:
    return page.get(path, headers=headers).content.decode()


def test_who_never_chose_has_what_everybody_has(page: Client, ada: Any) -> None:
    assert 'data-theme="system"' in html(page)
    assert '<meta name="color-scheme" content="light dark">' in html(page)
    assert preferences_of(ada).single_keys
    assert not Preferences.objects.exists()


def test_what_is_chosen_shows_on_the_next_page(page: Client) -> None:
    answer = page.post("/settings/", {**CHOSEN, "next": "/threads/x/"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/settings/?saved=")
    after = html(page, answer["Location"])
    assert '<html lang="de" data-theme="dark">' in after
    assert '<meta name="color-scheme" content="dark">' in after
    assert 'value="ctrl-enter" checked' in after
    assert 'href="/threads/x/"' in after
    assert 'name="single_keys" checked' not in after


def test_the_chosen_language_goes_before_the_browsers(page: Client, ada: Any) -> None:
    assert 'lang="de"' in html(page, **{"Accept-Language": "de-AT,en;q=0.5"})
    actions.save_preferences(ada, theme="system", send_key="enter", language="en")
    assert 'lang="en"' in html(page, **{"Accept-Language": "de"})
    page.logout()
    assert 'lang="de"' in html(page, "/sign-in/", **{"Accept-Language": "de"})


@pytest.mark.parametrize("wrong", [{"theme": "pink"}, {"send_key": ""}, {"language": "xx"}])
def test_what_is_no_choice_is_refused_and_nothing_is_kept(page: Client, ada: Any, wrong: dict[str, str]) -> None:
    actions.save_preferences(ada, **CHOSEN)
    answer = page.post("/settings/", {**CHOSEN, **wrong})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert {name: getattr(preferences_of(ada), name) for name in CHOSEN} == CHOSEN


def test_it_leads_back_to_no_other_site(page: Client) -> None:
    assert "evil.example" not in html(page, "/settings/?next=//evil.example/")


def test_the_settings_of_one_are_not_those_of_another(page: Client, bob: Any) -> None:
    page.post("/settings/", CHOSEN)
    assert preferences_of(bob).theme == "system"
    with pytest.raises(ValidationError):
        actions.save_preferences(bob, theme="", send_key="enter", language="")


def test_strangers_are_asked_to_sign_in(client: Client) -> None:
    assert client.get("/settings/")["Location"].startswith("/sign-in/")


def test_programs_and_probes_cost_no_question_about_a_language(
    page: Client, ada: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threads.preferences.preferences_of", lambda _user: pytest.fail("asked"))
    assert page.get("/healthz").status_code == 200
    assert page.get("/api/threads/").status_code == 200


def test_with_the_database_away_a_page_says_so_and_the_log_has_no_traceback(
    page: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_user: Any) -> Any:
        raise OperationalError

    monkeypatch.setattr("threads.preferences.preferences_of", away)
    answer = page.get("/settings/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert not [record for record in caplog.records if record.exc_info]
