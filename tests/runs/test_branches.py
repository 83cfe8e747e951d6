"""Another version of a prompt: by editing, by asking again, over the page and over the API."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from runs import actions
from runs.models import MultiModelRun
from runs.snapshot import branch_snapshot, brief_snapshot, thread_snapshot
from runs.turns import Turn, turns_of
from tests.api import Api, refusal
from tests.runs.rows import THREE, completed, counts, failed, fresh, started
from threads.actions import create_thread, pin_thread, save_preferences, show_branch
from threads.branches import Branches
from threads.models import Message, Thread

pytestmark = pytest.mark.usefixtures("models", "said", "sent")

FETCH = {"X-Requested-With": "fetch"}
TWO = {"master": THREE[1], "secondary": [THREE[2]]}


@pytest.fixture
def page(client: Client, ada: Any) -> Client:
    client.force_login(ada)
    return client


def turns(thread: Thread) -> list[Turn]:
    branches = Branches.of(fresh(thread))
    return turns_of(branch_snapshot(thread, branches), branches)


def edited(page: Client, run: MultiModelRun, prompt: str = "Edited?", **fields: Any) -> Any:
    body = {"prompt": prompt, "instead_of": str(run.prompt_id), **TWO, **fields}
    return page.post(f"/threads/{run.thread_id}/runs/", body, headers=FETCH)


def test_an_edited_prompt_is_another_version_with_its_own_run(page: Client, ada: Any) -> None:
    run = completed(ada)
    answer = edited(page, run)
    assert answer.status_code == 202
    (turn,) = turns(run.thread)
    assert (turn.prompt, turn.versions.number, turn.versions.count, turn.newest) == ("Edited?", 2, 2, True)
    assert [view["model"]["id"] for view in turn.candidates] == [THREE[1], THREE[2]]
    html = answer.content.decode()
    assert f'data-tip="{turn.run["prompt"]}"' in html
    assert f'value="{run.prompt_id}" data-show="previous"' in html
    assert str(run.pk) not in html


def test_the_page_follows_the_branch_that_is_chosen(page: Client, ada: Any) -> None:
    run = completed(ada)
    edited(page, run)
    address = f"/threads/{run.thread_id}/"
    assert "Edited?" in page.get(address).content.decode()
    chosen = page.post(f"{address}branch/", {"prompt": str(run.prompt_id)}, headers=FETCH).content.decode()
    assert f'data-run="{run.pk}"' in chosen
    assert "Edited?" not in chosen
    assert page.get(f"{address}branch/", headers=FETCH).content.decode() == chosen
    assert "Edited?" not in page.get(address).content.decode()
    for snapshot in (thread_snapshot(fresh(run.thread)), brief_snapshot(fresh(run.thread))):
        assert [view["id"] for view in snapshot.runs] == [str(run.pk)]
        assert snapshot.thread["tip"] == str(run.prompt_id)


def test_a_run_that_is_active_on_another_branch_is_said(page: Client, ada: Any) -> None:
    run = completed(ada)
    edited(page, run)
    html = page.post(f"/threads/{run.thread_id}/branch/", {"prompt": str(run.prompt_id)}, follow=True).content.decode()
    active = MultiModelRun.objects.get(status="answering")
    assert f'data-elsewhere="{active.pk}"' in html
    assert f'data-active-run="{active.pk}"' in html
    actions.request_cancel(active.pk)
    assert "data-elsewhere" not in page.get(f"/threads/{run.thread_id}/").content.decode()


def test_a_run_that_is_active_again_is_found_though_another_was_begun_later(page: Client, ada: Any) -> None:
    run = failed(ada)
    edited(page, run)
    actions.request_cancel(MultiModelRun.objects.get(status="answering").pk)
    html = page.get(f"/threads/{run.thread_id}/").content.decode()
    assert 'data-active-run=""' in html
    assert f'value="{THREE[1]}"' in re.findall(r"<input[^>]*name=.master.[^>]*checked", html)[0]
    assert actions.retry(run.pk)
    html = page.get(f"/threads/{run.thread_id}/").content.decode()
    assert f'data-elsewhere="{run.pk}"' in html
    assert f'data-active-run="{run.pk}"' in html


@pytest.mark.parametrize("prompt", ["", "zzz", "0b5f5e0e-3c1b-4a57-9d0e-2f6f6a1f3a11"])
def test_a_branch_that_is_none_cannot_be_shown(page: Client, ada: Any, prompt: str) -> None:
    run = completed(ada)
    assert page.post(f"/threads/{run.thread_id}/branch/", {"prompt": prompt}).status_code == 404
    assert page.post(f"/threads/{run.thread_id}/branch/").status_code == 404


@pytest.mark.parametrize("which", ["foreign", "answer", "unknown", "zzz"])
def test_only_a_prompt_of_the_thread_has_versions(page: Client, ada: Any, bob: Any, which: str) -> None:
    run = completed(ada)
    wrong = {"foreign": completed(bob).prompt_id, "answer": run.final_id, "unknown": uuid.uuid4(), "zzz": "zzz"}[which]
    before = counts()
    assert edited(page, run, instead_of=str(wrong)).status_code == 404
    api = Api(ada).post(
        f"/api/threads/{run.thread_id}/runs/", {"prompt": "x", "master": THREE[0], "instead_of": str(wrong)}
    )
    assert api.status_code == (400 if which == "zzz" else 404)
    assert counts() == before


@pytest.mark.parametrize("other", ["zzz", "\x00", "0b5f5e0e-3c1b-4a57-9d0e-2f6f6a1f3a11"])
def test_a_new_thread_has_no_prompt_to_be_replaced(page: Client, other: str) -> None:
    before = counts()
    body = {"prompt": "Why?", "master": THREE[0], "instead_of": other}
    assert page.post("/threads/new/runs/", body).status_code == 404
    assert counts() == before


def test_while_a_run_is_active_there_is_no_other_version(page: Client, ada: Any) -> None:
    run = started(ada)
    answer = edited(page, run)
    assert (answer.status_code, "still answering" in answer.content.decode()) == (409, True)
    without = page.post(f"/runs/{run.pk}/regenerate/")
    assert (without.status_code, "still answering" in without.content.decode()) == (409, True)
    assert [turn.versions.count for turn in turns(run.thread)] == [1]


def test_without_the_script_a_prompt_is_edited_on_its_own_page(page: Client, ada: Any) -> None:
    run = completed(ada)
    assert ">\nWhy?</textarea>" in page.get(f"/runs/{run.pk}/edit/").content.decode()
    body = {"prompt": "Why not?", "instead_of": str(run.prompt_id)}
    answer = page.post(f"/threads/{run.thread_id}/runs/", body)
    assert (answer.status_code, answer["Location"]) == (302, f"/threads/{run.thread_id}/")
    (turn,) = turns(run.thread)
    assert [view["model"]["id"] for view in turn.candidates] == list(THREE)  # nobody picked others
    actions.request_cancel(uuid.UUID(turn.run["id"]))
    refused = page.post(f"/threads/{run.thread_id}/runs/", {**body, "prompt": " "})
    assert (refused.status_code, "The prompt is empty" in refused.content.decode()) == (400, True)


@pytest.mark.parametrize(("picked", "asked"), [("same", list(THREE)), ("picked", [THREE[1], THREE[2]])])
def test_the_same_prompt_is_asked_again(page: Client, ada: Any, picked: str, asked: list[str]) -> None:
    run = completed(ada)
    body = {"models": picked, "prompt": "What stands in the composer", **TWO}
    assert page.post(f"/runs/{run.pk}/regenerate/", body, headers=FETCH).status_code == 202
    (turn,) = turns(run.thread)
    assert (turn.prompt, turn.versions.number) == ("Why?", 2)
    assert [view["model"]["id"] for view in turn.candidates] == asked


def test_a_run_is_asked_again_with_its_own_quorum(page: Client, ada: Any) -> None:
    run = completed(ada)
    MultiModelRun.objects.filter(pk=run.pk).update(minimum=2, soft_deadline=30)
    page.post(f"/runs/{run.pk}/regenerate/", {"models": "same"})
    again = MultiModelRun.objects.get(status="answering")
    assert (again.minimum, again.soft_deadline) == (2, 30)


def test_a_failed_run_can_be_tried_again_unless_a_prompt_follows_it(page: Client, ada: Any) -> None:
    run = failed(ada)
    edited(page, run)
    (other,) = MultiModelRun.objects.filter(status="answering")
    actions.request_cancel(other.pk)
    assert actions.retry(run.pk)  # the other version follows nothing of it
    actions.request_cancel(run.pk)
    show_branch(fresh(run.thread), run.prompt_id)
    started(ada, thread=fresh(run.thread), prompt="And?")
    actions.request_cancel(MultiModelRun.objects.get(prompt__content="And?").pk)
    with pytest.raises(actions.Superseded):
        actions.retry(run.pk)
    assert actions.retry(other.pk)


def test_an_old_turn_can_be_tried_again_once_its_branch_ends_with_it(page: Client, ada: Any) -> None:
    run = failed(ada)
    assert [turn.newest for turn in turns(run.thread)] == [True]
    started(ada, thread=fresh(run.thread), prompt="And?")
    assert [turn.newest for turn in turns(run.thread)] == [False, True]


def test_the_next_prompt_goes_on_with_the_branch_that_is_shown(page: Client, ada: Any) -> None:
    run = completed(ada)
    edited(page, run)
    actions.request_cancel(MultiModelRun.objects.get(status="answering").pk)
    show_branch(fresh(run.thread), run.prompt_id)
    nxt = started(ada, thread=fresh(run.thread), prompt="And?")
    assert nxt.prompt.parent_id == run.final_id
    assert [turn.prompt for turn in turns(run.thread)] == ["Why?", "And?"]
    assert [turn.after for turn in turns(run.thread)] == ["", str(run.prompt_id)]


def test_a_version_is_asked_over_the_api(ada: Any) -> None:
    run, api = completed(ada), Api(ada)
    body = {"prompt": "Edited?", "master": THREE[0], "instead_of": str(run.prompt_id)}
    key = {"HTTP_IDEMPOTENCY_KEY": "one"}
    made = api.post(f"/api/threads/{run.thread_id}/runs/", body, **key)
    assert made.status_code == 202
    assert Message.objects.get(pk=made.json()["prompt"]).parent_id is None
    again = api.post(f"/api/threads/{run.thread_id}/runs/", body, **key)
    assert (again.json()["id"], again["Idempotent-Replay"]) == (made.json()["id"], "true")
    del body["instead_of"]
    assert refusal(api.post(f"/api/threads/{run.thread_id}/runs/", body, **key))[1] == "key_reused"


def test_a_long_thread_opens_with_the_same_queries_as_a_short_one(
    page: Client, ada: Any, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.snapshot.TURNS", 3)
    run = completed(ada)
    # The session, the person with preferences, the thread, the run asked last, the branches, runs with messages, their
    # generations, verdicts, councils, the list of threads.
    with django_assert_num_queries(10):
        page.get(f"/threads/{run.thread_id}/")
    for number in range(12):
        actions.request_cancel(started(ada, thread=fresh(run.thread), prompt=f"{number}?").pk)
    edited(page, run)
    show_branch(fresh(run.thread), MultiModelRun.objects.get(prompt__content="0?").prompt_id)
    actions.give_feedback(ada, run.generations.all()[0].pk, "up")
    save_preferences(ada, theme="dark", send_key="enter", language="de")
    for number in range(3):
        actions.save_council(ada, f"{number}", master=THREE[0], secondaries=THREE[1:])
        pin_thread(create_thread(ada), pinned=True)
    with django_assert_num_queries(10):
        html = page.get(f"/threads/{run.thread_id}/").content.decode()
    assert html.count("data-run=") == 3
    assert "Frühere" in html
    assert "data-elsewhere" in html
