"""What is answered when no view can."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from pytest_django import Settings

from runs import api, views
from threads.actions import create_thread

AWAY = "The database does not answer. Try again in a few seconds."
FETCH = {"X-Requested-With": "fetch"}


@pytest.fixture
def client(ada: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(ada)
    return client


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the list of models and the empty page meet an error."""

    def with_error(error: Exception) -> None:
        def broken(*_: Any, **__: Any) -> Any:
            raise error

        monkeypatch.setattr(api.catalogue, "available", broken)
        monkeypatch.setattr(views, "_page", broken)

    return with_error


@pytest.mark.parametrize("error", [OperationalError("secret@host"), InterfaceError("secret@host")])
def test_with_the_database_away_each_is_told_in_his_own_form(client: Client, breaks: Any, error: Exception) -> None:
    breaks(error)
    told, shown, fetched = client.get("/api/models/"), client.get("/"), client.get("/", headers=FETCH)
    assert [answer.status_code for answer in (told, shown, fetched)] == [503] * 3
    assert [answer["Retry-After"] for answer in (told, shown, fetched)] == ["5"] * 3
    assert told.json() == {"error": {"code": "unavailable", "message": AWAY}}
    assert "Load the page again in a few seconds" in shown.content.decode()
    assert (fetched["Content-Type"], fetched.content.decode()) == ("text/plain; charset=utf-8", AWAY)
    assert not any(b"secret" in answer.content for answer in (told, shown, fetched))


def test_a_mistake_of_ours_is_told_in_each_form_and_its_traceback_is_in_the_log(
    client: Client, breaks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    breaks(ZeroDivisionError("secret"))
    with caplog.at_level(logging.ERROR):
        told, shown, fetched = client.get("/api/models/"), client.get("/"), client.get("/", headers=FETCH)
    sentence = "Something broke. The fault is ours and is in the log; try again."
    assert [answer.status_code for answer in (told, shown, fetched)] == [500] * 3
    assert told.json() == {"error": {"code": "internal", "message": sentence}}
    assert "Something broke" in shown.content.decode()
    assert fetched.content.decode() == sentence
    assert [record.exc_info is not None for record in caplog.records] == [True] * 3


def test_a_database_that_is_missed_outside_of_a_view_is_told_too(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError

    settings.SESSION_SAVE_EVERY_REQUEST = True
    monkeypatch.setattr(SessionStore, "save", away)
    answer = client.get("/", headers=FETCH)
    assert (answer.status_code, answer["Retry-After"], answer.content.decode()) == (503, "5", AWAY)


@pytest.fixture
def impatient() -> Iterator[None]:
    """A connection that does not wait as long for a lock as the product does."""
    options = connection.settings_dict["OPTIONS"]
    patience = options["timeout"]
    connection.close()
    options["timeout"] = 0.2
    yield
    connection.close()
    options["timeout"] = patience


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite locks the whole database")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("impatient")
def test_a_file_that_somebody_keeps_locked_is_a_503_for_who_writes_and_nothing_for_who_reads(
    client: Client, ada: Any
) -> None:
    thread = create_thread(ada)
    body = {"prompt": "Go.", "master": "demo:andante"}
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        told = client.post(f"/api/threads/{thread.pk}/runs/", body, "application/json")
        fetched = client.post(f"/threads/{thread.pk}/runs/", body, headers=FETCH)
        assert client.get(f"/threads/{thread.pk}/").status_code == 200
    assert [answer.status_code for answer in (told, fetched)] == [503] * 2
    assert fetched.content.decode() == AWAY
    assert not thread.runs.exists()
    assert not thread.messages.exists()
