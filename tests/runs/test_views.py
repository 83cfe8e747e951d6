import re
import uuid
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.test import Client

from chatproject import places
from runs import actions, catalogue, views
from runs.choices import Choice, picker
from runs.events import Snapshot
from runs.models import MultiModelRun
from tests.runs.rows import (
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
    html = re.sub(r'<span data-when="\w+">.*?</svg>\s*<span class="word">\w+</span></span>', "", html, flags=re.DOTALL)
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


def test_a_long_list_is_cut_and_can_be_had_whole(page: Client, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.views.THREADS_LISTED", 2)
    for number in range(3):
        create_thread(ada, f"Number {number}")
    html = page.get("/").content.decode()
    assert "Number 0" not in html
    assert "Show all threads" in html
    assert "Number 0" in page.get("/?all").content.decode()


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


def test_another_language_is_not_spoken_by_halves(page: Client) -> None:
    answer = page.get("/", headers={"Accept-Language": "de"})
    assert '<html lang="en">' in answer.content.decode()
    assert answer["Content-Language"] == "en"
    page.logout()
    assert "Password:" in page.get("/sign-in/", headers={"Accept-Language": "de"}).content.decode()


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
    final = add_message(run.thread, Message.Kind.FINAL, "The answer of old.", parent=run.prompt)
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
    for part in ("data-socket", "<textarea", 'id="picker"', "/retry/", "#prompt"):
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
    for path in (NEW, runs(run.thread), f"/runs/{run.pk}/stop/", f"/runs/{run.pk}/retry/"):
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


def test_a_busy_thread_refuses_the_next_prompt(page: Client, ada: Any) -> None:
    run = started(ada)
    before = counts()
    answer = page.post(runs(run.thread), fields("Next"), headers=FETCH)
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
    assert counts() == (0, 0, 0, 0)


def test_a_run_deleted_meanwhile_has_no_turn(page: Client, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(ada)
    monkeypatch.setattr(views, "_newest", lambda thread: None)
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
    assert "data-text>In short: because.</div>" in html
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
    assert "data-text>\n a&#13;\nb&#13;c \n</div>" in shown(page, run)


def test_no_page_has_inline_code_or_style_and_the_policy_forbids_it(page: Client, hostile: MultiModelRun) -> None:
    for path in ("/", f"/threads/{hostile.thread_id}/", f"/runs/{hostile.pk}/turn/"):
        answer = page.get(path)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for tag, attributes in tags(answer.content.decode()):
            assert tag not in {"style", "iframe", "img", "object", "embed", "base"}
            assert tag != "script" or "src" in attributes
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            for name in ("src", "href", "action", "formaction"):
                assert re.match(r"[/#?]|$", attributes.get(name) or ""), attributes
