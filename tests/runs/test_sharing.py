"""What leaves a thread: files to keep, and the page behind a link."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from runs import actions
from runs.models import MultiModelRun
from tests.api import Api
from tests.product import ROOT
from tests.runs.rows import (
    answering,
    break_down,
    candidates,
    change,
    checkpoint,
    claimed,
    complete,
    completed,
    ending,
    failed,
    fresh,
    started,
    synthesis,
)
from threads.actions import add_prompt, create_thread, delete_thread, revoke_share, share_thread, show_branch
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("models", "said", "sent")

HOSTILE = "</div><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7|add:7 }}"


@pytest.fixture
def page(client: Client, ada: Any) -> Client:
    client.force_login(ada)
    return client


def degraded(ada: Any) -> MultiModelRun:
    """One of three models failed, and the answer rests on the others."""
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first, "The draft of the master.")
    complete(second, "The second draft.")
    break_down(third, message="The key sk-secret was refused.")
    assert actions.settle(run.pk)
    assert actions.complete(claimed(synthesis(run)), ending("In short: because."))
    return fresh(run)  # type: ignore[no-any-return]


def link(thread: Thread) -> str:
    return f"/shared/{share_thread(fresh(thread)).token}/"


def exported(ada: Any, thread: Thread) -> dict[str, Any]:
    answer: dict[str, Any] = Api(ada).get(f"/api/threads/{thread.pk}/export/").json()
    return answer


def test_a_file_for_programs_says_who_wrote_what_and_what_became_of_it(ada: Any) -> None:
    run = degraded(ada)
    found = exported(ada, run.thread)
    (turn,) = found["turns"]
    assert (found["format"], found["version"], found["title"]) == ("polyphony.thread", 1, "Why?")
    assert (turn["text"], turn["status"], turn["outcome"]) == ("Why?", "completed", "degraded")
    assert turn["answer"] == {"text": "In short: because.", "by": "Swift One"}
    assert [(draft["model"], draft["state"], draft["in_answer"]) for draft in turn["drafts"]] == [
        ("swift:one", "completed", True),
        ("swift:two", "completed", True),
        ("swift:three", "failed", False),
    ]
    assert turn["drafts"][0]["text"] == "The draft of the master."
    assert turn["drafts"][2]["error"] == "The key sk-secret was refused."


def test_a_file_for_programs_has_all_branches_and_says_which_is_shown(ada: Any) -> None:
    run = failed(ada)
    other, _new = actions.start_run(ada, run.thread, "Other?", master="swift:one", instead_of=run.prompt_id)
    found = exported(ada, run.thread)
    assert [(turn["text"], turn["after"]) for turn in found["turns"]] == [("Why?", None), ("Other?", None)]
    assert found["shown"] == [str(other.prompt_id)]
    assert found["turns"][0]["answer"] is None
    assert "No model answered." in found["turns"][0]["error"]


def test_every_field_of_the_file_is_explained(ada: Any) -> None:
    found = exported(ada, degraded(ada).thread)
    page = (ROOT / "docs" / "export.md").read_text()
    names = {*found, *found["turns"][0], *found["turns"][0]["answer"], *found["turns"][0]["drafts"][0]}
    assert names - set(re.findall("`([a-z_]+)`", page)) == set()


def test_a_file_for_people_reads_like_the_page(page: Client, ada: Any) -> None:
    run = degraded(ada)
    answer = page.get(f"/threads/{run.thread_id}/export.md")
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="Why.md"'
    assert answer.content.decode().splitlines()[:5] == ["# Why?", "", "## Prompt", "", "Why?"]
    text = answer.content.decode()
    for part in (
        "### Draft by Swift One, master\n\nThe draft of the master.",
        "### Draft by three\n\n*The key sk-secret was refused.*",
        "### Final answer by Swift One, from 2 of 3 answers\n\n- Without three: The key sk-secret was refused.",
        "\n\nIn short: because.\n",
    ):
        assert part in text
    assert Api(ada).get(f"/api/threads/{run.thread_id}/export/markdown/").content.decode() == text


def test_while_another_version_is_written_the_author_is_who_wrote_what_stands(
    page: Client, client: Client, ada: Any
) -> None:
    run = degraded(ada)
    address = link(run.thread)
    assert actions.rewrite(run.pk, "swift:two")
    assert exported(ada, run.thread)["turns"][0]["answer"] == {"text": "In short: because.", "by": "Swift One"}
    for whole in (page.get(f"/threads/{run.thread_id}/export.md"), client.get(address)):
        assert "Final answer by Swift One, from 2 of 3 answers" in whole.content.decode()


def test_of_a_draft_that_was_chosen_only_that_one_is_in_the_answer(page: Client, client: Client, ada: Any) -> None:
    run = degraded(ada)
    address = link(run.thread)
    assert actions.use(candidates(run)[1].pk)
    (turn,) = exported(ada, run.thread)["turns"]
    assert [draft["in_answer"] for draft in turn["drafts"]] == [False, True, False]
    text = page.get(f"/threads/{run.thread_id}/export.md").content.decode()
    assert "chosen by hand\n\nThe second draft." in text
    html = client.get(address).content.decode()
    assert "chosen by hand" in html
    assert html.count("not part of the answer") == 1


@pytest.mark.parametrize("title", ["../../etc/passwd", 'a"b\r\nSet-Cookie: x', "长长", "?", "..."])
def test_a_title_makes_no_other_file_or_header(page: Client, ada: Any, title: str) -> None:
    thread = create_thread(ada, title)
    answer = page.get(f"/threads/{thread.pk}/export.json")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    name = answer["Content-Disposition"]
    assert name.startswith("attachment; ")
    assert "/" not in name
    assert json.loads(answer.content)["title"] == thread.title


def test_somebody_elses_thread_is_no_file(page: Client, bob: Any) -> None:
    theirs = completed(bob)
    for kind in ("md", "json"):
        assert page.get(f"/threads/{theirs.thread_id}/export.{kind}").status_code == 404


def test_everybody_with_the_link_reads_the_thread(client: Client, ada: Any) -> None:
    run = degraded(ada)
    answer = client.get(link(run.thread))
    html = answer.content.decode()
    assert (answer.status_code, answer["X-Robots-Tag"]) == (200, "noindex, nofollow")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]
    for part in ("Why?", "The second draft.", "In short: because.", "from 2 of 3 answers"):
        assert part in html
    assert html.count("<details") == 2
    assert "<details open" not in html


def test_the_page_behind_a_link_names_no_owner_no_id_no_cost_and_no_cause(client: Client, ada: Any) -> None:
    ada.email = "ada@example.org"
    ada.save()
    run = degraded(ada)
    html = client.get(link(run.thread)).content.decode()
    secrets = [ada.username, ada.email, "sk-secret", "$", str(run.thread_id), str(run.pk), str(run.prompt_id)]
    secrets += [str(generation.pk) for generation in run.generations.all()]
    assert [secret for secret in secrets if secret in html] == []
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", html)


def test_a_revoked_link_leads_nowhere_at_once_and_a_new_one_is_another_one(client: Client, ada: Any) -> None:
    run = completed(ada)
    first = link(run.thread)
    assert client.get(first).status_code == 200
    revoke_share(run.thread)
    assert client.get(first).status_code == 404
    assert client.get(link(run.thread)).status_code == 200
    assert client.get(first).status_code == 404


def test_the_link_of_a_deleted_thread_or_account_leads_nowhere(client: Client, ada: Any) -> None:
    run = completed(ada)
    address = link(run.thread)
    change(ada, is_active=False)
    assert client.get(address).status_code == 404
    change(ada, is_active=True)
    assert client.get(address).status_code == 200
    delete_thread(run.thread)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("token", ["x", "x" * 43, "%00", "a" * 500])
def test_a_guessed_link_leads_nowhere(client: Client, ada: Any, token: str) -> None:
    link(completed(ada).thread)
    assert client.get(f"/shared/{token}/").status_code == 404


def test_what_was_asked_after_the_link_was_made_is_not_shown(client: Client, ada: Any) -> None:
    run = completed(ada)
    address = link(run.thread)
    later = started(ada, thread=fresh(run.thread), prompt="A later question?")
    actions.request_cancel(later.pk)
    assert "A later question?" not in client.get(address).content.decode()
    assert link(run.thread) == address
    html = client.get(address).content.decode()
    assert "A later question?" in html
    assert "There is no final answer to this prompt." in html


def test_a_link_keeps_its_branch_when_the_owner_looks_at_another_one(client: Client, ada: Any) -> None:
    run = completed(ada)
    address = link(run.thread)
    other = add_prompt(fresh(run.thread), "Another version?", instead_of=run.prompt)
    show_branch(fresh(run.thread), other.pk)
    html = client.get(address).content.decode()
    assert ("Another version?" in html, "In short: because." in html) == (False, True)


def test_what_is_still_being_written_is_not_shown(client: Client, ada: Any) -> None:
    run = answering(ada)
    complete(candidates(run)[0], "A first draft.")
    html = client.get(link(run.thread)).content.decode()
    assert "A first draft." not in html
    assert "Nothing is finished here yet." in html


def test_a_draft_that_is_late_is_not_shown_before_it_is_whole(client: Client, ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first, "The first.")
    complete(second, "The second.")
    straggler = claimed(third)
    checkpoint(straggler, "So far")
    assert actions.request_synthesis(run.pk)
    assert actions.settle(run.pk)
    complete(synthesis(run), "In short: because.")
    address = link(run.thread)
    html = client.get(address).content.decode()
    assert ("So far" in html, "is still writing" in html) == (False, True)
    actions.complete(straggler, ending("So far and no further."))
    assert "So far and no further." in client.get(address).content.decode()


def test_a_long_shared_thread_comes_a_page_at_a_time(client: Client, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.sharing.TURNS_SHARED", 2)
    run = completed(ada)
    for prompt in ("Two?", "Three?"):
        actions.request_cancel(started(ada, thread=fresh(run.thread), prompt=prompt).pk)
    address = link(run.thread)
    first, second = (client.get(f"{address}?page={number}").content.decode() for number in (1, 2))
    assert [prompt in first for prompt in ("Why?", "Two?", "Three?")] == [True, True, False]
    assert ("shared-prompt" in second, ">Two?<" in second, ">Three?<" in second) == (True, False, True)
    assert client.get(f"{address}?page=zzz").status_code == 200


def test_hostile_texts_stay_texts_behind_a_link(client: Client, ada: Any) -> None:
    run = answering(ada)
    first, *others = candidates(run)
    complete(first, HOSTILE)
    for other in others:
        break_down(other)
    actions.settle(run.pk)
    change(run.prompt, content=HOSTILE)
    change(run.thread, title=HOSTILE)
    html = client.get(link(run.thread)).content.decode()
    assert "<script" not in html
    assert "<img" not in html
    assert "{{ 7|add:7 }}" in html
