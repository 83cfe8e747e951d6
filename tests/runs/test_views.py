import re
import uuid
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.db.models.functions import Now
from django.test import Client

from chatproject import places
from runs import actions, catalogue, views
from runs.choices import Choice, picker
from runs.events import Snapshot
from runs.models import Generation, MultiModelRun
from runs.snapshot import thread_snapshot
from runs.turns import turns_of
from tests.runs.rows import (
    AGO,
    THREE,
    answering,
    ask,
    break_down,
    candidates,
    change,
    claimed,
    complete,
    completed,
    counts,
    ending,
    failed,
    fresh,
    started,
    synthesis,
    synthesizing,
)
from threads.actions import add_message, create_thread, delete_thread
from threads.branches import Branches
from threads.models import Message, Thread
from threads.snapshot import thread_view

pytestmark = pytest.mark.usefixtures("models", "said", "sent")

FETCH = {"X-Requested-With": "fetch"}
NEW = "/threads/new/runs/"
HOSTILE = "</div><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7|add:7 }}"


@pytest.fixture
def page(client: Client, ada: Any) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def thread(ada: Any) -> Thread:
    return create_thread(ada, "A thread")


def fields(prompt: str = "Why?", master: str = THREE[0], key: str = "", **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "master": master, "secondary": list(THREE[1:]), "idempotency_key": key, **more}


def runs(thread: Thread) -> str:
    return f"/threads/{thread.pk}/runs/"


def shown(page: Client, run: MultiModelRun) -> str:
    """The turn as the page shows it, tags and all."""
    answer = page.get(f"/runs/{run.pk}/turn/")
    assert answer.status_code == 200
    assert f"/threads/{run.thread_id}/" not in answer.content.decode()
    return answer.content.decode()


def words(html: str) -> str:
    """What of it is text, without what other states would say."""
    html = re.sub(r'<span data-when="\w+">.*?<span class="word">.*?</span></span>\s*(?=<)', "", html, flags=re.DOTALL)
    html = re.sub(r'<p [^>]*data-when="\w+">.*?</p>', "", html)
    return " ".join(re.sub(r"<[^>]+>", "", html).split())


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every tag with its attributes, as a browser reads them."""
    found: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))  # type: ignore[method-assign]
    parser.feed(html)
    return found


# --- the pages ---


def test_the_first_page_teaches_and_asks(page: Client) -> None:
    html = page.get("/").content.decode()
    assert "One question, several voices, one answer." in html
    assert f'action="{NEW}"' in html
    assert "Your threads will stand here." in html


def test_the_list_is_newest_first_and_marks_the_open_one(page: Client, ada: Any) -> None:
    old, new = create_thread(ada, "The old one"), create_thread(ada, "The new one")
    html = page.get(f"/threads/{old.pk}/").content.decode()
    assert html.index("The new one") < html.rindex("The old one")
    assert f'href="/threads/{old.pk}/" aria-current="page"' in html
    assert f'href="/threads/{new.pk}/" aria-current="page"' not in html


def test_a_long_list_comes_a_part_at_a_time(page: Client, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.listing.LISTED", 2)
    for number in range(5):
        create_thread(ada, f"Number {number}")
    where, seen = "/", []
    while where:
        html = page.get(where).content.decode()
        seen.append(re.findall("data-title>Number ([0-9])<", html))
        where = next(iter(re.findall(r'href="([?]older=[^"]+)"', html)), "")
    assert seen == [["4", "3"], ["2", "1"], ["0"]]


def test_lanes_are_in_no_list_and_no_page(page: Client, ada: Any) -> None:
    run = started(ada)
    lane = candidates(run)[1].thread
    assert str(lane.pk) not in page.get("/").content.decode()
    assert page.get(f"/threads/{lane.pk}/").status_code == 404
    assert page.post(runs(lane), fields()).status_code == 404


def test_the_administration_is_linked_for_staff_alone(page: Client, ada: Any) -> None:
    assert "/admin/" not in page.get("/").content.decode()
    change(ada, is_staff=True)
    assert "/admin/" in page.get("/").content.decode()


def test_without_a_model_the_page_says_what_to_set(page: Client, settings: LazySettings) -> None:
    settings.PROVIDERS = {}
    html = page.get("/").content.decode()
    assert "OPENAI_API_KEY" in html
    assert "<textarea" not in html


@pytest.mark.parametrize("path", ["/threads/{}/", "/runs/{}/turn/"])
def test_pages_are_not_kept_by_caches(page: Client, ada: Any, path: str) -> None:
    run = started(ada)
    answer = page.get(path.format(run.thread_id if "threads" in path else run.pk))
    assert "no-store" in answer["Cache-Control"]


def test_a_language_without_our_own_catalogue_is_not_spoken_by_halves(page: Client) -> None:
    answer = page.get("/", headers={"Accept-Language": "fr"})
    assert '<html lang="en"' in answer.content.decode()
    assert answer["Content-Language"] == "en"
    page.logout()
    assert "Password:" in page.get("/sign-in/", headers={"Accept-Language": "fr"}).content.decode()


def test_two_copies_on_one_machine_keep_their_cookies_apart(page: Client, tmp_path: Path) -> None:
    names = {places.cookie_name("sessionid", places.secret_key(tmp_path / copy)) for copy in ("one", "two")}
    assert len(names) == 2
    assert all(re.fullmatch(r"sessionid_[0-9a-f]{6}", name) for name in names)
    html = page.get("/").content.decode()
    own = {places.cookie_name(name, settings.SECRET_KEY) for name in ("sessionid", "csrftoken")}
    assert set(page.cookies) == own
    assert f'data-csrf-cookie="{settings.CSRF_COOKIE_NAME}"' in html


# --- turns that stand before the newest ones ---


@pytest.fixture
def long(ada: Any, monkeypatch: pytest.MonkeyPatch) -> list[MultiModelRun]:
    """Five stopped runs of one thread, of which a page shows two."""
    monkeypatch.setattr("runs.snapshot.TURNS", 2)
    thread = create_thread(ada, "A long thread")
    turns = [ended(ada, thread, f"Prompt {number}?") for number in range(5)]
    complete_with_final(turns[1])
    return turns


def ended(owner: Any, thread: Thread, prompt: str = "Why?") -> MultiModelRun:
    run = started(owner, thread=thread, prompt=prompt)
    actions.request_cancel(run.pk)
    return fresh(run)  # type: ignore[no-any-return]


def complete_with_final(run: MultiModelRun) -> None:
    final = add_message(run.thread.pk, Message.Kind.FINAL, "The answer of old.", parent_id=run.prompt.pk)
    change(run, status="completed", outcome="full", final=final)


def test_older_turns_are_pages_of_their_own(page: Client, long: list[MultiModelRun]) -> None:
    path = f"/threads/{long[0].thread_id}/"
    steps = [
        (path, long[3:], long[3]),
        (f"{path}?before={long[3].pk}", long[1:3], long[1]),
        (f"{path}?before={long[1].pk}", long[:1], None),
    ]
    for where, turns, before in steps:
        html = page.get(where).content.decode()
        assert re.findall(r' data-run="([^"]+)"', html) == [str(turn.pk) for turn in turns]
        assert re.findall(r'href="\?before=([^"]+)"', html) == ([str(before.pk)] if before else [])
    assert "The answer of old." in page.get(steps[1][0]).content.decode()


def test_a_page_of_older_turns_follows_nothing_and_asks_nothing(page: Client, long: list[MultiModelRun]) -> None:
    path = f"/threads/{long[0].thread_id}/"
    html = page.get(f"{path}?before={long[3].pk}").content.decode()
    for part in ("data-socket", "<textarea", 'id="picker"', "/retry/", "#prompt", 'form="quiet"'):
        assert part in page.get(path).content.decode()
        assert part not in html
    assert f'href="{path}">Go to the newest turns' in html


def test_a_short_thread_has_no_way_to_earlier_turns(page: Client, ada: Any) -> None:
    run = started(ada)
    assert "?before=" not in page.get(f"/threads/{run.thread_id}/").content.decode()


def test_older_turns_are_those_of_the_owners_thread_alone(page: Client, ada: Any, bob: Any) -> None:
    mine, other, theirs = started(ada), started(ada), started(bob)
    for before in (other.pk, theirs.pk, uuid.uuid4(), "zzz", ""):
        assert page.get(f"/threads/{mine.thread_id}/?before={before}").status_code == 404
    assert page.get(f"/threads/{theirs.thread_id}/?before={theirs.pk}").status_code == 404


# --- who may ---


def doors(thread: Thread, run: MultiModelRun) -> list[tuple[str, str]]:
    return [
        ("get", f"/threads/{thread.pk}/"),
        ("post", runs(thread)),
        ("get", f"/runs/{run.pk}/turn/"),
        ("post", f"/runs/{run.pk}/stop/"),
        ("post", f"/runs/{run.pk}/retry/"),
        ("post", f"/runs/{run.pk}/synthesize/"),
        ("post", f"/generations/{(one := run.generations.first() or run).pk}/stop/"),
        ("post", f"/generations/{one.pk}/retry/"),
    ]


def test_somebody_elses_answer_like_unknown_ones(page: Client, bob: Any) -> None:
    theirs = started(bob)
    before = counts()
    unknown = MultiModelRun(pk=uuid.uuid4()), Thread(pk=uuid.uuid4())
    foreign = [getattr(page, method)(path, fields()) for method, path in doors(theirs.thread, theirs)]
    missing = [getattr(page, method)(path, fields()) for method, path in doors(unknown[1], unknown[0])]
    assert {answer.status_code for answer in foreign + missing} == {404}
    assert [answer.content for answer in foreign] == [answer.content for answer in missing]
    assert counts() == before
    assert fresh(theirs).cancel_requested_at is None


def test_strangers_are_asked_to_sign_in(client: Client, ada: Any) -> None:
    run = started(ada)
    before = counts()
    for method, path in [("get", "/"), ("post", NEW), *doors(run.thread, run)]:
        answer = getattr(client, method)(path, fields())
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/sign-in/"), path
    assert counts() == before
    assert fresh(run).cancel_requested_at is None


def test_another_site_cannot_send_anything(ada: Any) -> None:
    run = started(ada)
    before = counts()
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    for path in [NEW, *(path for method, path in doors(run.thread, run) if method == "post")]:
        assert client.post(path, fields()).status_code == 403
    assert counts() == before


@pytest.mark.parametrize("path", [NEW, "/runs/{}/stop/", "/runs/{}/retry/"])
def test_who_comes_back_from_a_sign_in_by_get_is_sent_to_the_threads(page: Client, ada: Any, path: str) -> None:
    run = started(ada)
    answer = page.get(path.format(run.pk))
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert fresh(run).cancel_requested_at is None


# --- asking ---


def test_a_prompt_is_answered_with_its_turn(page: Client, thread: Thread) -> None:
    answer = page.post(runs(thread), fields("How?\r\nAnd why?"), headers=FETCH)
    assert answer.status_code == 202
    run = thread.runs.get()
    assert f'data-run="{run.pk}"' in answer.content.decode()
    assert run.prompt.content == "How?\nAnd why?"
    assert [candidate.model_id for candidate in candidates(run)] == list(THREE)


def test_without_the_script_it_leads_back_to_the_thread(page: Client, thread: Thread) -> None:
    answer = page.post(runs(thread), fields())
    assert (answer.status_code, answer["Location"]) == (302, f"/threads/{thread.pk}/")
    assert thread.runs.count() == 1


def test_a_first_prompt_makes_its_thread(page: Client, ada: Any) -> None:
    answer = page.post(NEW, fields("Why is the sky blue?"), headers=FETCH)
    thread = Thread.objects.owned_by(ada).get()
    assert (answer.status_code, answer["Location"]) == (202, f"/threads/{thread.pk}/")
    assert thread.title == "Why is the sky blue?"
    assert page.post(NEW, fields())["Location"] != answer["Location"]


@pytest.mark.parametrize("path", ["new", "known"])
def test_a_double_click_sends_once(page: Client, thread: Thread, path: str) -> None:
    where = NEW if path == "new" else runs(thread)
    first = page.post(where, fields(key="k-1"), headers=FETCH)
    before = counts()
    second = page.post(where, fields(key="k-1"), headers=FETCH)
    assert (first.status_code, second.status_code) == (202, 202)
    assert counts() == before
    assert first.headers.get("Location") == second.headers.get("Location")


def test_a_key_that_was_used_for_another_question_is_refused(page: Client) -> None:
    page.post(NEW, fields(key="k-1"), headers=FETCH)
    before = counts()
    answer = page.post(NEW, fields("Something else", key="k-1"), headers=FETCH)
    assert answer.status_code == 409
    assert "already used" in answer.content.decode()
    assert counts() == before


BAD = [
    (fields(""), "The prompt is empty"),
    (fields(" \n\t "), "The prompt is empty"),
    (fields("a\x00b"), "NUL"),
    (fields("x" * 100_001), "the limit is 100000"),
    (fields(master=""), "No master is chosen"),
    (fields(master="swift:nobody"), "There is no model"),
    (fields(master="lost:key"), "Set LOST_API_KEY"),
    (fields(secondary=["swift:two"] * 8), "at most 8"),
    (fields(wait="some", soft_deadline="soon"), "“soon” is not a whole number."),
    (fields(wait="some", soft_deadline="60", minimum="1.5"), "“1.5” is not a whole number."),
    (fields(wait="some", soft_deadline="60", minimum="-1"), "“-1” is not a whole number."),
    (fields(wait="some", soft_deadline="1" * 5000), f"“{'1' * 20}” is not a whole number."),
    (fields(wait="some", soft_deadline="60", minimum="4"), "The minimum is 4 drafts, and 3 models are asked."),
    (fields(wait="some", soft_deadline="60", minimum="0"), "The minimum is 0 drafts"),
    (fields(wait="some", soft_deadline="601"), "Choose a number from 0 to 600."),
    ({}, "The prompt is empty"),
]


@pytest.mark.parametrize(("sent", "says"), [(sent, says) for sent, says in BAD if sent])
@pytest.mark.parametrize("path", ["new", "known"])
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    page: Client, thread: Thread, path: str, sent: dict[str, Any], says: str
) -> None:
    before = counts()
    where = NEW if path == "new" else runs(thread)
    answer = page.post(where, sent, headers=FETCH)
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert says in answer.content.decode()
    page_again = page.post(where, sent)
    assert page_again.status_code == 400
    assert says in page_again.content.decode()
    assert counts() == before


def test_a_form_without_fields_is_refused(page: Client) -> None:
    assert page.post(NEW, {}, headers=FETCH).status_code == 400


def test_the_page_that_refuses_keeps_what_was_typed_and_chosen(page: Client, thread: Thread) -> None:
    answer = page.post(runs(thread), fields("\n  My long text </textarea>", master="swift:two", secondary=["no:model"]))
    html = answer.content.decode()
    assert "\n  My long text &lt;/textarea&gt;</textarea>" in html
    assert re.search(r'value="swift:two" form="composer" data-label="[^"]*" checked', html)


def test_the_page_that_refuses_keeps_the_numbers_that_were_typed(page: Client, thread: Thread) -> None:
    html = page.post(runs(thread), fields(wait="some", soft_deadline='5"0', minimum="2")).content.decode()
    assert patience(html) == ("some", '5"0', "2")


def test_who_asks_too_much_is_told_when_to_come_back(page: Client, thread: Thread, settings: LazySettings) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 0
    before = counts()
    answer = page.post(runs(thread), fields("My question"), headers=FETCH)
    assert (answer.status_code, answer["Retry-After"]) == (429, "10")
    assert answer.content.decode() == str(actions.TooManyRuns.message)
    html = page.post(runs(thread), fields("My question")).content.decode()
    assert str(actions.TooManyRuns.message) in html
    assert "My question</textarea>" in html
    assert counts() == before


@pytest.mark.parametrize("headers", [FETCH, {}])
def test_a_busy_thread_refuses_the_next_prompt(page: Client, ada: Any, headers: dict[str, str]) -> None:
    run = started(ada)
    before = counts()
    answer = page.post(runs(run.thread), fields("Next"), headers=headers)
    assert answer.status_code == 409
    assert "still answering" in answer.content.decode()
    assert counts() == before


def test_a_body_over_the_limit_is_refused(page: Client, settings: LazySettings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    before = counts()
    assert page.post(NEW, fields("x" * 2000), headers=FETCH).status_code == 400
    assert counts() == before


def gone(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """As if the thread was deleted between its reading and this verb."""

    def deleted(owner: Any, thread: Thread, *args: Any, **kwargs: Any) -> Any:
        delete_thread(Thread.objects.get(pk=thread.pk))
        return real(owner, thread, *args, **kwargs)

    real = getattr(views, verb)
    monkeypatch.setattr(views, verb, deleted)


@pytest.mark.parametrize("headers", [FETCH, {}])
def test_a_thread_deleted_meanwhile_takes_no_prompt(
    page: Client, thread: Thread, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    gone(monkeypatch, "start_multi_model_generation")
    assert page.post(runs(thread), fields(), headers=headers).status_code == 404
    assert counts() == (1, 0, 0, 0)


def test_a_run_deleted_meanwhile_has_no_turn(page: Client, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(ada)
    monkeypatch.setattr(views, "thread_snapshot", lambda thread, run_id: Snapshot(thread_view(thread), [], []))
    assert page.get(f"/runs/{run.pk}/turn/").status_code == 404


# --- stopping and trying again ---


def test_a_run_is_stopped(page: Client, ada: Any) -> None:
    run = started(ada)
    assert page.post(f"/runs/{run.pk}/stop/", headers=FETCH).status_code == 204
    assert fresh(run).status == "cancelled"
    answer = page.post(f"/runs/{run.pk}/stop/")
    assert (answer.status_code, answer["Location"]) == (302, f"/threads/{run.thread_id}/")


def test_a_failed_run_is_tried_again(page: Client, ada: Any) -> None:
    run = failed(ada)
    assert page.post(f"/runs/{run.pk}/retry/", headers=FETCH).status_code == 204
    assert fresh(run).status == "queued"


def test_a_run_is_not_tried_again_while_another_one_is_active(page: Client, ada: Any) -> None:
    run = failed(ada)
    started(ada, thread=run.thread)
    assert page.post(f"/runs/{run.pk}/retry/", headers=FETCH).status_code == 409
    answer = page.post(f"/runs/{run.pk}/retry/")
    assert answer.status_code == 409
    assert "still answering" in answer.content.decode()


def test_only_the_newest_turn_offers_to_try_again(page: Client, ada: Any) -> None:
    old = failed(ada)
    assert "/retry/" in shown(page, old)
    new = ended(ada, old.thread)
    assert "/retry/" not in shown(page, old)
    assert re.findall(r"/runs/([^/]+)/retry/", page.get(f"/threads/{old.thread_id}/").content.decode()) == [str(new.pk)]


def test_a_run_is_not_tried_again_once_the_conversation_has_gone_on(page: Client, ada: Any) -> None:
    run = failed(ada)
    ended(ada, run.thread)
    answer = page.post(f"/runs/{run.pk}/retry/", headers=FETCH)
    assert (answer.status_code, answer.content.decode()) == (409, str(actions.Superseded.message))
    assert str(actions.Superseded.message) in page.post(f"/runs/{run.pk}/retry/").content.decode()
    assert fresh(run).status == "failed"


# --- one model of a run ---


def one(generation: Generation, verb: str) -> str:
    return f"/generations/{generation.pk}/{verb}/"


def buttons(html: str) -> set[str]:
    """What the page offers to do."""
    return {attributes["formaction"] or "" for tag, attributes in tags(html) if "formaction" in attributes}


def test_one_model_is_stopped_and_asked_anew(page: Client, ada: Any) -> None:
    first, second, third = candidates(answering(ada))
    complete(first)
    assert page.post(one(third, "stop"), headers=FETCH).status_code == 204
    assert [fresh(each).status for each in (second, third)] == ["queued", "cancelled"]
    assert page.post(one(third, "retry"), headers=FETCH).status_code == 204
    assert fresh(third).status == "queued"


@pytest.mark.parametrize("verb", ["stop", "retry"])
def test_without_the_script_one_model_leads_back_to_the_thread(page: Client, ada: Any, verb: str) -> None:
    run = answering(ada)
    answer = page.post(one(candidates(run)[1], verb))
    assert (answer.status_code, answer["Location"]) == (302, f"/threads/{run.thread_id}/")


def test_every_button_of_a_turn_belongs_to_the_one_form_of_its_page(page: Client, ada: Any) -> None:
    run = answering(ada)
    complete(candidates(run)[0])
    found = tags(page.get(f"/threads/{run.thread_id}/").content.decode())
    assert [form["method"] for tag, form in found if tag == "form" and form.get("id") == "quiet"] == ["post"]
    offered = [
        button for tag, button in found if tag == "button" and "/generations/" in (button.get("formaction") or "")
    ]
    done = [button["formaction"].split("/")[3] for button in offered]
    assert (done.count("stop"), done.count("retry"), done.count("use")) == (2, 2, 3)
    assert {(button["type"], button["form"]) for button in offered} == {("submit", "quiet")}


def test_a_draft_offers_nothing_and_what_gave_none_can_be_asked_anew(page: Client, ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    complete(second, "I will not.", finish_reason="refusal")
    break_down(third)
    html = shown(page, run)
    assert {one(second, "retry"), one(third, "retry")} <= buttons(html)
    assert not {one(first, "retry"), one(first, "stop")} & buttons(html)
    assert [attributes["data-generation"] for tag, attributes in tags(html) if "data-askable" in attributes] == [
        str(second.pk),
        str(third.pk),
    ]


def test_beside_an_answer_that_stands_one_model_can_always_be_asked_anew(page: Client, ada: Any) -> None:
    run = degraded(ada)
    third = candidates(run)[2]
    ended(ada, run.thread)
    assert one(third, "retry") in buttons(shown(page, run))
    assert page.post(one(third, "retry"), headers=FETCH).status_code == 204
    text = words(shown(page, run))
    assert "from 2 of 3 answers Without three: It was still writing." in text
    assert "2 of 3 done 1 still writing" in text
    complete(fresh(third))
    html = shown(page, run)
    assert "Without three: Its answer came after the final answer had begun." in words(html)
    assert f'data-generation="{third.pk}" data-status="completed" data-state="late"' in html
    assert "3 of 3 done 1 late" in words(html)


def test_an_old_run_without_an_answer_offers_no_model_of_it(page: Client, ada: Any) -> None:
    run = failed(ada)
    assert one(candidates(run)[0], "retry") in buttons(shown(page, run))
    ended(ada, run.thread)
    assert not [path for path in buttons(shown(page, run)) if path.endswith("/retry/")]
    assert page.post(one(candidates(run)[0], "retry"), headers=FETCH).status_code == 409


def test_a_stop_that_no_worker_has_seen_yet_is_said(page: Client, ada: Any) -> None:
    run = answering(ada)
    second = candidates(run)[1]
    claimed(second)
    page.post(one(second, "stop"))
    (card,) = [attributes for tag, attributes in tags(shown(page, run)) if "data-stopping" in attributes]
    assert (card["data-generation"], card["data-status"]) == (str(second.pk), "streaming")


def test_who_waits_for_a_provider_says_for_which(page: Client, ada: Any, settings: LazySettings) -> None:
    settings.PROVIDERS["swift"]["label"] = "Swift Inc."
    run = answering(ada)
    second = candidates(run)[1]
    change(second, waiting_for="swift")
    html = shown(page, run)
    assert f'data-generation="{second.pk}" data-status="queued" data-state="waiting"' in html
    assert "Waiting for <span data-provider>Swift Inc.</span>" in html
    assert "<legend>Swift Inc.</legend>" in page.get("/").content.decode()
    german = page.get(f"/threads/{run.thread_id}/", headers={"Accept-Language": "de"}).content.decode()
    assert "Wartet auf <span data-provider>Swift Inc.</span>" in german
    change(second, waiting_for="")
    assert "Waiting for <span data-provider></span>" in shown(page, run)
    assert "Waiting for <span data-provider>Swift" not in shown(page, run)


# --- going on without somebody ---


def degraded(owner: Any) -> MultiModelRun:
    """A run whose answer came without its third model, which failed."""
    run = answering(owner)
    first, second, third = candidates(run)
    complete(first)
    complete(second)
    break_down(third)
    assert actions.settle(run.pk)
    assert actions.complete(claimed(synthesis(run)), ending("In short."))
    return fresh(run)  # type: ignore[no-any-return]


def test_the_final_answer_is_written_at_once_without_those_who_still_write(page: Client, ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    claimed(third)
    complete(first)
    complete(second)
    html = shown(page, run)
    assert f"/runs/{run.pk}/synthesize/" in buttons(html)
    (offer,) = [attributes for tag, attributes in tags(html) if "data-begin" in attributes]
    assert "data-ready" in offer
    names = [attributes for tag, attributes in tags(html) if "data-unwaited" in attributes]
    assert [each["data-unwaited"] for each in names if "hidden" not in each] == [str(third.pk)]
    assert page.post(f"/runs/{run.pk}/synthesize/", headers=FETCH).status_code == 204
    assert "Swift One writes the final answer now, from what is there." in words(shown(page, run))
    actions.settle(run.pk)
    html = shown(page, run)
    assert "from 2 of 3 answers Without three: It was still writing." in words(html)
    assert f"/runs/{run.pk}/synthesize/" not in buttons(html)
    assert one(third, "stop") in buttons(html)


def test_without_a_draft_it_cannot_be_written_yet(page: Client, ada: Any) -> None:
    run = answering(ada)
    assert "data-ready" not in shown(page, run)
    answer = page.post(f"/runs/{run.pk}/synthesize/", headers=FETCH)
    assert (answer.status_code, answer.content.decode()) == (409, str(actions.NoDraftYet.message))
    assert str(actions.NoDraftYet.message) in page.post(f"/runs/{run.pk}/synthesize/").content.decode()


def test_a_model_alone_has_nobody_to_go_on_without(page: Client, ada: Any) -> None:
    assert "/synthesize/" not in shown(page, answering(ada, THREE[:1]))


def test_a_quorum_says_how_long_the_others_are_waited_for(page: Client, ada: Any) -> None:
    run = answering(ada)
    assert "It waits at most" not in words(shown(page, run))
    change(run, minimum=2, soft_deadline=45, soft_deadline_at=Now() + timedelta(seconds=45))
    assert re.search(
        r"It waits at most 0:4[45] more for the others\..* At least 2 answers are needed\.", words(shown(page, run))
    )
    change(run, soft_deadline_at=Now() - AGO)
    html = shown(page, run)
    assert [attributes for tag, attributes in tags(html) if "data-until" in attributes and "data-over" in attributes]
    change(run, soft_deadline_at=None)
    assert "At least 2 answers are needed." in words(shown(page, run))


def test_too_few_drafts_are_told_with_every_cause(page: Client, ada: Any) -> None:
    run = answering(ada)
    change(run, minimum=2)
    first, second, third = candidates(run)
    complete(first)
    break_down(second)
    break_down(third, message="The provider is overloaded.")
    actions.settle(run.pk)
    text = words(shown(page, run))
    assert "No final answer 1 answered; this run asks for 2 answers at least. two: The key was refused." in text
    assert "three: The provider is overloaded. Try again" in text


def test_a_fallback_master_is_named_with_the_one_it_stands_in_for(
    page: Client, ada: Any, settings: LazySettings
) -> None:
    settings.FALLBACK_MASTERS = ["swift:two", "swift:three"]
    run = synthesizing(ada)
    face = faces(run)
    for message in ("The key was refused.", "It is overloaded."):
        break_down(synthesis(run), message=message)
        assert actions.settle(run.pk)
        assert faces(run) != face
        face = faces(run)
    text = words(shown(page, run))
    assert "Final answer by three, from 3 answers Instead of Swift One, who could not: The key was refused." in text
    assert "Instead of two, who could not: It is overloaded." in text
    break_down(synthesis(run), message="It is gone.")
    actions.settle(run.pk)
    text = words(shown(page, run))
    assert "No final answer three could not write the final answer. It is gone." in text
    assert "Before it Swift One could not either: The key was refused." in text


def faces(run: MultiModelRun) -> str:
    return turns_of(thread_snapshot(run.thread, run.pk), Branches.of(run.thread))[0].face


def test_the_face_follows_whatever_the_words_say_after_the_final_answer_has_begun(ada: Any) -> None:
    run = degraded(ada)
    third = candidates(run)[2]
    seen = [faces(run)]
    assert actions.retry_generation(third.pk)
    seen.append(faces(run))
    held = claimed(third)
    assert faces(run) == seen[-1]
    assert actions.complete(held, ending())
    seen.append(faces(run))
    assert len(set(seen)) == 3
    assert seen[-1].startswith("completed/degraded///0/completed--/")


# --- after the answer ---


def test_a_draft_is_chosen_and_its_heading_says_by_whom(page: Client, ada: Any) -> None:
    run = completed(ada)
    draft = candidates(run)[1]
    assert page.post(one(draft, "use"), headers=FETCH).status_code == 204
    html = shown(page, run)
    assert "Answer of two, chosen by you" in words(html)
    assert "2/2" in words(html)
    assert f'data-chosen="{draft.pk}"' in html
    page.post(one(synthesis(run), "use"))
    assert "Final answer by Swift One, from 3 answers" in words(shown(page, run))


def test_another_version_is_written_beside_the_one_that_counts(page: Client, ada: Any) -> None:
    run = completed(ada)
    old = faces(run)
    assert page.post(f"/runs/{run.pk}/rewrite/", {"model": "swift:two"}, headers=FETCH).status_code == 204
    html = shown(page, run)
    assert "two writes another version of the final answer" in words(html)
    version = run.generations.get(kind="synthesis", current=False)
    assert one(version, "stop") in buttons(html)
    assert f'data-generation="{version.pk}" data-status="queued"' in html
    break_down(version)
    html = shown(page, run)
    assert "Another version by two did not come about: The key was refused." in words(html)
    assert "In short: because." in words(html)
    assert len({old, faces(run)}) == 2


def test_what_cannot_be_done_says_why(page: Client, ada: Any) -> None:
    run = completed(ada)
    for address, fields, status, sentence in (
        (f"/runs/{run.pk}/rewrite/", {"model": "swift:four"}, 400, "There is no model"),
        (one(synthesis(run), "feedback"), {"verdict": "splendid"}, 400, "This is no verdict"),
    ):
        answer = page.post(address, fields, headers=FETCH)
        assert (answer.status_code, answer.content.decode()[: len(sentence)]) == (status, sentence)
    run.generations.filter(kind="candidate").exclude(position=0).update(status="failed", text="")
    assert page.post(f"/runs/{run.pk}/rewrite/", headers=FETCH).status_code == 409


def test_a_thumb_is_shown_to_who_gave_it(page: Client, ada: Any, bob: Any) -> None:
    run = completed(ada)
    assert page.post(one(synthesis(run), "feedback"), {"verdict": "up"}, headers=FETCH).status_code == 204
    actions.give_feedback(bob, candidates(run)[0].pk, "down")
    pressed = [tag for name, tag in tags(shown(page, run)) if name == "button" and tag.get("aria-pressed") == "true"]
    assert [(tag["formaction"], tag["data-thumb"], tag["value"]) for tag in pressed] == [
        (one(synthesis(run), "feedback"), "up", "none")
    ]


def test_an_earlier_page_offers_nothing_that_changes_something(page: Client, ada: Any) -> None:
    run = completed(ada)
    later = ended(ada, run.thread)
    html = page.get(f"/threads/{run.thread_id}/?before={later.pk}").content.decode()
    assert "In short: because." in html
    assert not [address for address in buttons(html) if not address.startswith("/threads/")]


# --- what a turn says ---


def test_a_waiting_run_has_all_its_cards_from_the_start(page: Client, ada: Any) -> None:
    run = started(ada)
    html = shown(page, run)
    ids = re.findall(r'class="card"[^>]* data-generation="([^"]+)" data-status="queued"', html)
    assert ids == [str(candidate.pk) for candidate in candidates(run)]
    assert 'data-run-status="queued"' in html
    assert "0 of 3 done" in words(html)
    assert "Swift One writes the final answer when every model is done." in words(html)


def test_the_final_answer_says_from_how_many(page: Client, ada: Any) -> None:
    html = shown(page, completed(ada))
    assert "Final answer by Swift One, from 3 answers" in words(html)
    assert 'data-source="In short: because."><div class="md" dir="auto" data-end="18"><p>In short: because.</p>' in html
    assert "3 of 3 done" in words(html)
    assert "Stop</button>" not in html


def test_a_final_answer_without_one_says_who_is_missing_and_why(page: Client, ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    complete(first)
    complete(second)
    break_down(third, message="The provider is overloaded.")
    assert actions.settle(run.pk)
    assert actions.complete(claimed(synthesis(run)), ending("In short."))
    text = words(shown(page, run))
    assert "Final answer by Swift One, from 2 of 3 answers Without three: The provider is overloaded." in text


def test_a_single_answer_is_not_called_final(page: Client, ada: Any) -> None:
    run = answering(ada)
    first, second, third = candidates(run)
    break_down(first, message="The key was refused.")
    complete(second, "Only I.")
    complete(third, "No.", finish_reason="refusal")
    actions.settle(run.pk)
    text = words(shown(page, run))
    assert "Single answer of two No synthesis, because no other model answered:" in text
    assert "Swift One: The key was refused." in text
    assert "three: It declined to answer." in text
    assert "Final answer" not in text


def test_a_model_alone_has_no_card_beside_its_answer(page: Client, ada: Any) -> None:
    run = answering(ada, THREE[:1])
    html = shown(page, run)
    (only,) = candidates(run)
    assert 'class="card"' not in html
    assert f'data-final data-solo data-generation="{only.pk}"' in html
    complete(only, "Because.")
    actions.settle(run.pk)
    text = words(shown(page, run))
    assert "Answer by Swift One" in text
    assert "ynthesis" not in text


def test_a_failed_run_shows_its_reason_instead_of_an_answer(page: Client, ada: Any) -> None:
    html = shown(page, failed(ada))
    assert "No final answer" in words(html)
    assert html.count("The key was refused.") == 6  # on each card, and each in the sentence of the run
    assert "/retry/" in html


def test_a_stopped_run_says_so(page: Client, ada: Any) -> None:
    run = started(ada)
    actions.request_cancel(run.pk)
    assert "What had come by then is kept; there is no final answer." in words(shown(page, run))


def test_while_the_master_writes_the_heading_is_there_already(page: Client, ada: Any) -> None:
    run = synthesizing(ada)
    html = shown(page, run)
    assert "Final answer by Swift One, from 3 answers" in words(html)
    assert f'data-final data-generation="{synthesis(run).pk}"' in html


def test_a_card_counts_attempts_and_says_why_the_last_one_failed(page: Client, ada: Any) -> None:
    run = answering(ada)
    first, second, _third = candidates(run)
    change(first, status="completed", attempt=2, text="x", finish_reason="length", tokens_out=1234)
    break_down(second, message="The key was refused.")
    html = shown(page, run)
    assert '<span class="figure" data-attempt-shown>restarted (attempt <span data-attempt-number>2</span>)' in html
    assert '<span class="figure warn" data-finish="length">' in html
    assert "<span data-tokens>1234</span>" in html
    assert '<p class="reason" data-error>The key was refused.</p>' in html
    assert html.count("data-attempt-shown hidden") == 3  # the other two cards, and the final answer


def test_a_demo_is_labelled_wherever_its_name_shows(page: Client, ada: Any) -> None:
    run = started(ada, ["played:script", "swift:one"])
    html = page.get(f"/threads/{run.thread_id}/").content.decode()
    assert len(re.findall(r"\bScript\b", html)) == html.count("Script (demo, no AI)") > 3


def test_a_model_that_left_the_catalogue_is_shown_by_its_id(page: Client, ada: Any) -> None:
    run = completed(ada)
    run.generations.update(model_id="gone:model")
    assert "gone:model" in shown(page, run)


# --- whom the composer proposes ---


def chosen(html: str) -> tuple[str, list[str]]:
    master = re.search(r'name="master" value="([^"]+)"[^>]* checked', html)
    checks = re.findall(r'name="secondary" value="([^"]+)" form="composer"(?: checked| data-copy)', html)
    return (master.group(1) if master else "", checks)


def test_at_first_it_proposes_the_first_three(page: Client) -> None:
    assert chosen(page.get("/").content.decode()) == ("swift:one", ["swift:two", "swift:three"])


def test_it_remembers_the_last_choice_of_the_thread_and_of_the_person(page: Client, ada: Any) -> None:
    here, there = create_thread(ada), create_thread(ada)
    ask(ada, here, "Why?", "swift:two", "swift:one", "swift:one")
    ask(ada, there, "Why?", "swift:three")
    assert chosen(page.get(f"/threads/{here.pk}/").content.decode()) == ("swift:two", ["swift:one", "swift:one"])
    assert chosen(page.get("/").content.decode()) == ("swift:three", [])


def patience(html: str) -> tuple[str, str, str]:
    """What the picker says of the wait: which of the two, and the numbers."""
    inputs = [attributes for tag, attributes in tags(html) if tag == "input" and attributes.get("form") == "composer"]
    (wait,) = [each["value"] for each in inputs if each["name"] == "wait" and "checked" in each]
    numbers = {each["name"]: each["value"] for each in inputs}
    return str(wait), str(numbers["soft_deadline"]), str(numbers["minimum"])


def test_at_first_everybody_is_waited_for(page: Client, thread: Thread) -> None:
    html = page.get("/").content.decode()
    assert patience(html) == ("all", "60", "2")
    page.post(runs(thread), fields(wait="all", soft_deadline="60", minimum="2"))
    run = thread.runs.get()
    assert (run.minimum, run.soft_deadline) == (1, None)
    assert patience(page.get(f"/threads/{thread.pk}/").content.decode()) == ("all", "60", "2")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"soft_deadline": "45", "minimum": "3"}, (3, 45)),
        ({"soft_deadline": " 0 ", "minimum": ""}, (1, 0)),
        ({"soft_deadline": "", "minimum": "3"}, (3, None)),
        ({"soft_deadline": "", "minimum": ""}, (1, None)),
        ({"soft_deadline": "45", "minimum": "3", "secondary": []}, (1, None)),
    ],
)
def test_what_the_picker_says_of_the_wait_is_the_quorum_of_the_run(
    page: Client, thread: Thread, sent: dict[str, Any], kept: tuple[int, int | None]
) -> None:
    assert page.post(runs(thread), fields(wait="some", **sent)).status_code == 302
    run = thread.runs.get()
    assert (run.minimum, run.soft_deadline) == kept


def test_the_wait_is_remembered_as_the_models_are(page: Client, thread: Thread, ada: Any) -> None:
    page.post(runs(thread), fields(wait="some", soft_deadline="45", minimum="3"))
    for path in (f"/threads/{thread.pk}/", "/"):
        html = page.get(path).content.decode()
        assert patience(html) == ("some", "45", "3")
        assert "<span data-wait-seconds>45</span>" in html


def test_it_proposes_nobody_who_cannot_be_asked(page: Client, ada: Any, settings: LazySettings) -> None:
    thread = create_thread(ada)
    ask(ada, thread, "Why?", "played:script", "swift:two", "swift:one")
    del settings.PROVIDERS["played"]
    catalogue.models.cache_clear()
    html = page.get(f"/threads/{thread.pk}/").content.decode()
    assert chosen(html) == ("swift:two", ["swift:one"])
    assert "lost:key" not in html


def test_a_provider_is_one_group_wherever_its_models_stand(page: Client, models: Path) -> None:
    models.write_text(models.read_text() + '[[models]]\nid = "other:one"\n[[models]]\nid = "swift:four"\n')
    settings.PROVIDERS["other"] = settings.PROVIDERS["swift"]
    catalogue.models.cache_clear()
    groups = [(name, [option.model.id for option in options]) for name, options in picker(Choice()).groups]
    assert groups == [
        ("swift", ["swift:one", "swift:two", "swift:three", "swift:four"]),
        ("other", ["other:one"]),
        ("played", ["played:script"]),
    ]


def test_the_picker_says_what_is_known_of_a_model(page: Client) -> None:
    html = page.get("/").content.decode()
    for badge in (">1k<", ">$1 / $2.50<", ">reasoning<"):
        assert badge in html
    assert "of at most 8 models" in html


# --- what no page may let through ---


@pytest.fixture
def hostile(ada: Any, models: Path) -> MultiModelRun:
    """A run in which everything that can carry text carries an attack."""
    models.write_text(models.read_text().replace('id = "swift:two"', f'id = "swift:two"\nlabel = "{HOSTILE}"'))
    catalogue.models.cache_clear()
    run, _new = ask(ada, create_thread(ada, HOSTILE), HOSTILE, *THREE)
    actions.take_up(run.pk)
    first, second, third = candidates(run)
    complete(first, HOSTILE)
    complete(second, HOSTILE)
    break_down(third, message=HOSTILE)
    assert actions.settle(run.pk)
    assert actions.complete(claimed(synthesis(run)), ending(HOSTILE))
    return run


def test_hostile_texts_stay_texts(page: Client, hostile: MultiModelRun) -> None:
    for path in (f"/threads/{hostile.thread_id}/", f"/runs/{hostile.pk}/turn/"):
        html = page.get(path).content.decode()
        assert "<script>" not in html
        assert "<img" not in html
        assert "{{ 7|add:7 }}" in html
        assert html.count("&lt;script&gt;") >= 6


def test_texts_come_back_character_for_character(page: Client, ada: Any) -> None:
    run = answering(ada)
    complete(candidates(run)[0], "\n a\r\nb\rc \n")
    assert 'data-source="\n a&#13;\nb&#13;c \n"' in shown(page, run)


def test_no_page_has_inline_code_or_style_and_the_policy_forbids_it(page: Client, hostile: MultiModelRun) -> None:
    for path in ("/", f"/threads/{hostile.thread_id}/", f"/runs/{hostile.pk}/turn/"):
        answer = page.get(path)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for tag, attributes in tags(answer.content.decode()):
            assert tag not in {"style", "iframe", "img", "object", "embed", "base"}
            assert tag != "script" or "src" in attributes or attributes.get("type") == "application/json"
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            for name in ("src", "href", "action", "formaction"):
                assert re.match(r"[/#?]|$", attributes.get(name) or ""), attributes
