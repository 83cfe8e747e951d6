"""Councils: what is kept, by whom it is found again, and what the three doors say."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django import Settings

from runs import actions
from runs.actions import EVERYBODY, Quorum, councils
from runs.models import Council
from tests.api import Api, refusal
from tests.runs.rows import THREE, ask
from tests.runs.test_views import FETCH, chosen, fields, patience
from threads.actions import create_thread

pytestmark = pytest.mark.usefixtures("models", "said", "sent")


@pytest.fixture
def page(client: Client, ada: Any) -> Client:
    client.force_login(ada)
    return client


def keep(owner: Any, name: str = "Everyday", *models: str, quorum: Quorum = EVERYBODY) -> Council:
    master, *secondaries = models or THREE
    return actions.save_council(owner, name, master=master, secondaries=secondaries, quorum=quorum)


def test_a_choice_is_kept_under_a_tidy_name(ada: Any) -> None:
    council = keep(ada, "  Every \n day ", "swift:two", "swift:one", "swift:one", quorum=Quorum(2, 30))
    council.refresh_from_db()
    assert (council.name, council.master_model, council.secondary_models) == (
        "Every day",
        "swift:two",
        ["swift:one", "swift:one"],
    )
    assert (council.minimum, council.soft_deadline, council.is_default) == (2, 30, False)


def test_the_same_name_is_replaced_and_stays_the_default(ada: Any, bob: Any) -> None:
    first = actions.change_council(keep(ada), is_default=True)
    second = keep(ada, "Everyday", "swift:three")
    assert (second.pk, second.master_model, second.secondary_models) == (first.pk, "swift:three", [])
    assert Council.objects.get(pk=first.pk).is_default
    assert keep(bob).pk != first.pk


@pytest.mark.parametrize(
    ("name", "models", "says"),
    [
        (" ", THREE, "no name"),
        ("x" * 81, THREE, "limit is 80"),
        ("N\x00", THREE, "cannot be stored"),
        ("Fine", ("swift:nobody",), "no model"),
        ("Fine", ("lost:key",), "lost:key"),
        ("Fine", (THREE[0],) * 9, "at most 8"),
        ("Fine", ("",), "No master"),
    ],
)
def test_what_cannot_be_asked_is_not_kept(ada: Any, name: str, models: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        keep(ada, name, *models)
    assert not Council.objects.exists()


def test_there_is_an_end_to_how_many(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(councils, "COUNCILS_MAX", 2)
    keep(ada, "One")
    keep(ada, "Two")
    with pytest.raises(ValidationError, match="2 councils"):
        keep(ada, "Three")
    keep(ada, "Two", "swift:one")


def test_one_is_the_default_and_another_takes_its_place(ada: Any, bob: Any) -> None:
    one, two = keep(ada, "One"), keep(ada, "Two")
    theirs = actions.change_council(keep(bob), is_default=True)
    actions.change_council(one, is_default=True)
    actions.change_council(two, is_default=True)
    assert list(Council.objects.filter(is_default=True).order_by("owner")) == [two, theirs]
    actions.change_council(two, is_default=False)
    assert list(Council.objects.filter(is_default=True)) == [theirs]


def test_two_cannot_have_one_name(ada: Any) -> None:
    keep(ada, "One")
    two = keep(ada, "Two")
    with pytest.raises(ValidationError, match="Another council"):
        actions.change_council(two, name="One")
    assert actions.change_council(two, name="Two").name == "Two"


def test_a_new_thread_begins_with_the_default_and_an_old_one_with_its_own_last_choice(page: Client, ada: Any) -> None:
    thread = create_thread(ada)
    ask(ada, thread, "Why?", "swift:one")
    actions.change_council(keep(ada, "Best", "swift:three", "swift:two", quorum=Quorum(2, 9)), is_default=True)
    new = page.get("/").content.decode()
    assert (chosen(new), patience(new)) == (("swift:three", ["swift:two"]), ("some", "9", "2"))
    assert chosen(page.get(f"/threads/{thread.pk}/").content.decode()) == ("swift:one", [])
    empty = create_thread(ada)
    assert chosen(page.get(f"/threads/{empty.pk}/").content.decode()) == ("swift:three", ["swift:two"])


def test_a_council_proposes_nobody_who_cannot_be_asked(page: Client, ada: Any, settings: Settings) -> None:
    council = keep(ada, "Mixed", "swift:one", "played:script", "played:script")
    settings.PROVIDERS["swift"]["configured"] = False
    assert chosen(page.get(f"/?council={council.pk}").content.decode()) == ("played:script", ["played:script"])


def test_the_address_of_a_council_chooses_it(page: Client, ada: Any, bob: Any) -> None:
    council, theirs = keep(ada, "Two", "swift:two"), keep(bob)
    assert chosen(page.get(f"/?council={council.pk}").content.decode()) == ("swift:two", [])
    for unknown in (theirs.pk, "no-id"):
        assert page.get(f"/?council={unknown}").status_code == 404


# --- the page's door ---


def test_the_composers_choice_is_kept_with_its_wait(page: Client, ada: Any) -> None:
    sent = fields(council_name="Quick", wait="some", soft_deadline="5", minimum="2")
    answer = page.post("/councils/", sent, headers=FETCH)
    assert answer.status_code == 200
    assert answer.content.decode().count("data-council ") == 1
    council = Council.objects.get()
    assert (council.master_model, council.secondary_models) == (THREE[0], list(THREE[1:]))
    assert (council.minimum, council.soft_deadline) == (2, 5)


def test_a_refusal_is_a_sentence_in_the_open_list(page: Client) -> None:
    answer = page.post("/councils/", fields(council_name=""), headers=FETCH)
    assert answer.status_code == 400
    assert "The council has no name." in answer.content.decode()
    assert "<html" not in answer.content.decode()
    without_script = page.post("/councils/", fields(council_name=""))
    assert without_script.status_code == 400
    assert "<html" in without_script.content.decode()


def test_it_is_renamed_made_the_default_and_deleted(page: Client, ada: Any) -> None:
    council = keep(ada)
    address = f"/councils/{council.pk}/"
    assert "Renamed" in page.post(address, {"verb": "rename", "name": "Renamed"}, headers=FETCH).content.decode()
    assert "(default)" in page.post(address, {"verb": "default"}, headers=FETCH).content.decode()
    assert "(default)" not in page.post(address, {"verb": "no-default"}, headers=FETCH).content.decode()
    assert page.post(address, {"verb": "rename", "name": ""}, headers=FETCH).status_code == 400
    assert page.post(address, {"verb": "delete"})["Location"] == "/"
    assert not Council.objects.exists()


def test_somebody_elses_is_not_found(page: Client, bob: Any) -> None:
    theirs = keep(bob)
    for verb in ("rename", "default", "delete"):
        assert page.post(f"/councils/{theirs.pk}/", {"verb": verb, "name": "Mine"}).status_code == 404
    assert Council.objects.get() == theirs


def test_a_hostile_name_stays_a_name(page: Client, ada: Any) -> None:
    keep(ada, '"><script>alert(1)</script>')
    assert "<script>alert" not in page.get("/").content.decode()


# --- the programs' door ---


def test_programs_keep_list_change_and_forget_them(ada: Any) -> None:
    api = Api(ada)
    body = {"name": "Three", "master": THREE[0], "secondaries": list(THREE[1:]), "minimum": 2, "soft_deadline": 30}
    made = api.post("/api/councils/", body)
    assert made.status_code == 201
    assert made.json() == {**body, "id": made.json()["id"], "default": False}
    address = f"/api/councils/{made.json()['id']}/"
    assert api.patch(address, {"default": True, "name": "All"}).json()["default"] is True
    assert api.get(address).json()["name"] == "All"
    assert [each["name"] for each in api.get("/api/councils/").json()["results"]] == ["All"]
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404


def test_programs_are_told_what_is_wrong(ada: Any) -> None:
    api = Api(ada)
    council = keep(ada)
    assert refusal(api.post("/api/councils/", {"name": "x"}))[:2] == (400, "invalid")
    assert "neither true nor false" in refusal(api.patch(f"/api/councils/{council.pk}/", {"default": "yes"}))[2]
    assert refusal(api.patch(f"/api/councils/{council.pk}/", {"master": "x"}))[:2] == (400, "invalid")
