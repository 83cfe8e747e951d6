import json
import uuid
from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from runs import actions
from runs.models import MultiModelRun
from runs.snapshot import run_view
from tests.api import Api, refusal
from tests.runs.rows import THREE, answering, claimed, completed, counts, ending, failed, fresh, started
from tests.runs.rows import candidates as candidates_of
from threads.actions import create_thread
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")
BODY = {"prompt": "Why?", "master": THREE[0], "secondaries": list(THREE[1:])}


@pytest.fixture
def api(ada: Any) -> Api:
    return Api(ada)


@pytest.fixture
def thread(ada: Any) -> Thread:
    return create_thread(ada)


def runs(thread: Thread) -> str:
    return f"/api/threads/{thread.pk}/runs/"


def test_a_run_is_started_and_shown_at_once(api: Api, thread: Thread) -> None:
    answer = api.post(runs(thread), BODY)
    assert answer.status_code == 202
    run = answer.json()
    assert run == run_view(uuid.UUID(run["id"]))
    assert (run["status"], run["thread"], run["final"], run["error"]) == ("answering", str(thread.pk), None, None)
    assert [g["model"]["id"] for g in run["generations"]] == list(THREE)
    assert "Idempotent-Replay" not in answer.headers


def test_a_master_is_enough(api: Api, thread: Thread) -> None:
    assert api.post(runs(thread), {"prompt": "Why?", "master": THREE[0]}).status_code == 202


def test_the_same_key_and_body_answer_with_the_same_run(api: Api, thread: Thread) -> None:
    first = api.post(runs(thread), BODY, headers={"idempotency-key": "k-1"})
    again = api.post(runs(thread), BODY, headers={"idempotency-key": "k-1"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["Idempotent-Replay"] == "true"
    assert MultiModelRun.objects.count() == 1


def test_the_same_key_with_another_body_is_a_conflict(api: Api, thread: Thread) -> None:
    api.post(runs(thread), BODY, headers={"idempotency-key": "k-1"})
    before = counts()
    answer = api.post(runs(thread), {**BODY, "prompt": "How?"}, headers={"idempotency-key": "k-1"})
    assert refusal(answer) == (
        409,
        "key_reused",
        "This Idempotency-Key was already used with other content. Send a new key with a new request.",
    )
    assert counts() == before


def test_a_second_prompt_while_the_first_is_answered_is_a_conflict(api: Api, thread: Thread) -> None:
    api.post(runs(thread), BODY)
    before = counts()
    assert refusal(api.post(runs(thread), BODY)) == (
        409,
        "thread_busy",
        "This thread is still answering its last prompt. Wait for it or stop it, then send again.",
    )
    assert counts() == before


REFUSED = {
    "an empty prompt": ({"prompt": ""}, "The prompt is empty. Type a question and send it again."),
    "a blank prompt": ({"prompt": " \n\t\u2003 "}, "The prompt is empty. Type a question and send it again."),
    "a prompt over the limit": (
        {"prompt": "x" * 31},
        "The prompt has 31 characters; the limit is 30. Shorten it.",
    ),
    "NUL": (
        {"prompt": "a\x00b"},
        "The prompt holds characters that cannot be stored (NUL or half of a character). Remove them.",
    ),
    "a lone surrogate": (
        {"prompt": "a\ud83d"},
        "The prompt holds characters that cannot be stored (NUL or half of a character). Remove them.",
    ),
    "half of a character in a model id": (
        {"master": "swift:\udc00"},
        "The master holds characters that cannot be stored (NUL or half of a character). Remove them.",
    ),
    "NUL in a secondary": ({"secondaries": ["\x00"]}, "(NUL or half of a character). Remove them."),
    "an unknown model": ({"master": "swift:thre"}, "There is no model “swift:thre”. Did you mean swift:three?"),
    "an unknown secondary": (
        {"secondaries": ["zzz"]},
        "There is no model “zzz”. Choose one from the list of models.",
    ),
    "an endless model id": ({"master": "m" * 10_000}, "Choose one from the list of models."),
    "an empty secondary": ({"secondaries": [""]}, "There is no model “”. Choose one from the list of models."),
    "no master": ({"master": ""}, "No master is chosen. Choose the model that writes the final answer."),
    "too many models": (
        {"secondaries": [THREE[1]] * 4},
        "5 models are chosen; at most 4 can answer one prompt. Take some away.",
    ),
    "101 models": ({"secondaries": [THREE[1]] * 100}, "101 models are chosen; at most 4"),
    "a model without its key": (
        {"master": "lost:key"},
        "Lost cannot be asked: its provider is not configured. Set LOST_API_KEY and restart, or choose another model.",
    ),
    "a prompt that is a number": ({"prompt": 7}, "Correct the field “prompt”. It is not a text."),
    "a prompt that is a list": ({"prompt": ["Why?"]}, "Correct the field “prompt”. It is not a text."),
    "a prompt that is null": ({"prompt": None}, "Correct the field “prompt”. It is null. Send a text."),
    "a prompt that is yes": ({"prompt": True}, "Correct the field “prompt”. It is not a text."),
    "a huge number": ({"prompt": 10**400}, "Correct the field “prompt”. It is not a text."),
    "a model that is an object": ({"master": {"id": "x"}}, "Correct the field “master”. It is not a text."),
    "a secondary that is a number": ({"secondaries": [7]}, "Correct the field “secondaries”. It is not a text."),
    "secondaries that are a text": ({"secondaries": THREE[1]}, "It is not a list. Send model ids."),
    "secondaries that are an object": ({"secondaries": {"a": 1}}, "It is not a list. Send model ids."),
    "secondaries that are null": ({"secondaries": None}, "Correct the field “secondaries”."),
    "an unknown field": ({"temperature": -1}, "Correct the field “temperature”. There is no such field."),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_asked_is_refused_with_what_to_do_and_leaves_nothing(
    api: Api, thread: Thread, settings: Any, what: str
) -> None:
    settings.PROMPT_MAX_CHARS, settings.MODELS_PER_RUN_MAX = 30, 4
    before = counts()
    change, sentence = REFUSED[what]
    status, code, message = refusal(api.post(runs(thread), {**BODY, **change}))
    assert (status, code) == (400, "invalid")
    assert sentence in message
    assert len(message) < 300
    assert counts() == before
    assert fresh(thread).title == ""


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("prompt", "Correct the field “prompt”. It is missing. Send it as a text."),
        ("master", "No master is chosen. Send the id of the model that writes the final answer."),
    ],
)
def test_what_is_missing_is_named(api: Api, thread: Thread, missing: str, sentence: str) -> None:
    body = {key: value for key, value in BODY.items() if key != missing}
    assert sentence in refusal(api.post(runs(thread), body))[2]


@pytest.mark.parametrize(
    "escaped",
    [b'"\\u0000"', b'"\\ud83d"', b'"\\udc00\\ud83d"', b'"\\uD800x\\uDFFF"'],
    ids=["nul", "high", "swapped", "split"],
)
def test_escapes_of_what_cannot_be_stored_are_refused(api: Api, thread: Thread, escaped: bytes) -> None:
    raw = json.dumps({**BODY, "prompt": "@"}).encode().replace(b'"@"', escaped)
    before = counts()
    assert "cannot be stored" in refusal(api.post(runs(thread), raw=raw))[2]
    assert counts() == before


def test_a_character_in_two_escapes_is_one_character(api: Api, thread: Thread) -> None:
    raw = json.dumps({**BODY, "prompt": "\U0001f333"}).encode()
    assert b"\\ud83c" in raw
    assert api.post(runs(thread), raw=raw).status_code == 202
    assert MultiModelRun.objects.get().prompt.content == "\U0001f333"


@pytest.mark.parametrize("key", ["k" * 201, "k" * 10_000])
def test_a_key_that_is_too_long_is_refused(api: Api, thread: Thread, key: str) -> None:
    before = counts()
    assert "the limit is 200" in refusal(api.post(runs(thread), BODY, headers={"idempotency-key": key}))[2]
    assert counts() == before


def test_a_run_on_a_deleted_thread_is_not_found(api: Api, thread: Thread) -> None:
    address = runs(thread)
    api.delete(f"/api/threads/{thread.pk}/")
    assert refusal(api.post(address, BODY))[:2] == (404, "not_found")


def test_a_thread_that_is_deleted_in_the_meantime_is_not_found(
    api: Api, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise Thread.DoesNotExist

    monkeypatch.setattr("runs.api.start_multi_model_generation", gone)
    assert refusal(api.post(runs(thread), BODY))[:2] == (404, "not_found")


def test_runs_are_listed_newest_first(api: Api, ada: Any) -> None:
    first = completed(ada)
    second = started(ada, thread=first.thread)
    page = api.get(runs(first.thread)).json()
    assert [run["id"] for run in page["results"]] == [str(second.pk), str(first.pk)]


def test_a_list_of_runs_takes_a_constant_number_of_queries(api: Api, ada: Any, django_assert_num_queries: Any) -> None:
    run = completed(ada)
    for _ in range(4):
        run = failed_in(run.thread, ada)
    with django_assert_num_queries(6):  # session, user, thread, count, runs with prompts, generations
        api.get(runs(run.thread))


def failed_in(thread: Thread, owner: Any) -> MultiModelRun:
    run = started(owner, thread=thread)
    actions.request_cancel(run.pk)
    return run


def test_a_run_is_read_with_its_texts(api: Api, ada: Any) -> None:
    run = completed(ada)
    shown = api.get(f"/api/runs/{run.pk}/").json()
    assert shown == run_view(run.pk)
    assert [g["text"] for g in shown["generations"]] == ["Because."] * 3 + ["In short: because."]


def test_a_run_is_stopped(api: Api, ada: Any) -> None:
    run = started(ada)
    answer = api.post(f"/api/runs/{run.pk}/stop/")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")


def test_stopping_again_while_a_worker_still_writes_is_accepted_again(api: Api, ada: Any) -> None:
    run = answering(ada)
    claimed(candidates_of(run)[0])
    for _ in range(2):
        answer = api.post(f"/api/runs/{run.pk}/stop/")
        assert (answer.status_code, answer.json()["cancel_requested"]) == (202, True)


@pytest.mark.parametrize("make", [completed, failed])
def test_stopping_a_run_that_has_ended_is_harmless(api: Api, ada: Any, make: Any) -> None:
    run = make(ada)
    answer = api.post(f"/api/runs/{run.pk}/stop/")
    assert (answer.status_code, answer.json()) == (200, run_view(run.pk))


@pytest.mark.parametrize(
    ("quorum", "stored"),
    [
        ({}, (1, None)),
        ({"minimum": 2}, (2, None)),
        ({"minimum": 3, "soft_deadline": 0}, (3, 0)),
        ({"soft_deadline": 60}, (1, 60)),
    ],
)
def test_a_quorum_may_be_asked_for(api: Api, thread: Thread, quorum: dict[str, int], stored: Any) -> None:
    run = api.post(runs(thread), BODY | quorum).json()
    row = MultiModelRun.objects.get(pk=run["id"])
    assert (row.minimum, row.soft_deadline) == stored
    assert (run["minimum"], run["soft_deadline_at"] is None) == (stored[0], stored[1] is None)


@pytest.mark.parametrize("wrong", [None, True, 1.0, "2", -1, 2**31, [], {}])
@pytest.mark.parametrize("field", ["minimum", "soft_deadline"])
def test_a_quorum_that_is_no_number_is_refused(api: Api, thread: Thread, field: str, wrong: Any) -> None:
    before = counts()
    status, code, sentence = refusal(api.post(runs(thread), BODY | {field: wrong}))
    assert (status, code) == (400, "invalid")
    assert f"“{field}”" in sentence
    assert counts() == before


def test_the_same_key_with_another_quorum_is_a_conflict(api: Api, thread: Thread) -> None:
    api.post(runs(thread), BODY, headers={"idempotency-key": "k-1"})
    again = api.post(runs(thread), BODY | {"minimum": 2}, headers={"idempotency-key": "k-1"})
    assert refusal(again)[:2] == (409, "key_reused")


def test_who_asks_too_much_is_told_when_to_come_again(api: Api, ada: Any, thread: Thread, settings: Any) -> None:
    settings.ACTIVE_RUNS_PER_USER_MAX = 1
    started(ada)
    answer = api.post(runs(thread), BODY)
    assert refusal(answer)[:2] == (429, "too_many_runs")
    assert int(answer.headers["Retry-After"]) > 0
    settings.ACTIVE_RUNS_PER_USER_MAX, settings.ACTIVE_GENERATIONS_MAX = 10, 5
    answer = api.post(runs(thread), BODY)
    assert refusal(answer)[:2] == (429, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_failed_run_is_begun_again(api: Api, ada: Any) -> None:
    run = failed(ada)
    answer = api.post(f"/api/runs/{run.pk}/retry/")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    again = api.post(f"/api/runs/{run.pk}/retry/")
    assert (again.status_code, again.json()["status"]) == (200, "queued")


def test_a_run_that_was_left_behind_is_not_begun_again(api: Api, ada: Any) -> None:
    run = failed(ada)
    actions.request_cancel(started(ada, thread=run.thread).pk)
    assert refusal(api.post(f"/api/runs/{run.pk}/retry/"))[:2] == (409, "superseded")


def test_the_final_answer_is_asked_for_with_what_is_there(
    api: Api, ada: Any, django_capture_on_commit_callbacks: Any
) -> None:
    run = answering(ada)
    address = f"/api/runs/{run.pk}/synthesize/"
    assert refusal(api.post(address))[:2] == (409, "no_draft_yet")
    for candidate in candidates_of(run)[:2]:
        assert actions.complete(claimed(candidate), ending())
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.post(address)
    assert answer.status_code == 202
    assert answer.json()["synthesis_requested"]
    assert api.post(address).status_code == 200


def test_one_model_is_stopped_and_asked_anew(
    api: Api, ada: Any, sent: Any, django_capture_on_commit_callbacks: Any
) -> None:
    run = answering(ada)
    second = candidates_of(run)[1]
    with django_capture_on_commit_callbacks(execute=True):
        stopped = api.post(f"/api/generations/{second.pk}/stop/")
    assert stopped.status_code == 202
    assert [g["status"] for g in stopped.json()["generations"]] == ["queued", "cancelled", "queued"]
    assert api.post(f"/api/generations/{second.pk}/stop/").status_code == 200
    assert sent() == []
    with django_capture_on_commit_callbacks(execute=True):
        again = api.post(f"/api/generations/{second.pk}/retry/")
    assert (again.status_code, again.json()["generations"][1]["status"]) == (202, "queued")
    assert [(task.name, task.arguments) for task in sent()] == [("polyphony.generate", [str(second.pk)])]
    assert api.post(f"/api/generations/{second.pk}/retry/").status_code == 200


def test_stopping_the_last_model_that_is_waited_for_brings_the_run_on_at_once(
    api: Api, ada: Any, sent: Any, django_capture_on_commit_callbacks: Any
) -> None:
    run = answering(ada)
    first, second, third = candidates_of(run)
    for candidate in (first, second):
        assert actions.complete(claimed(candidate), ending())
    with django_capture_on_commit_callbacks(execute=True):
        api.post(f"/api/generations/{third.pk}/stop/")
    assert fresh(run).status == "synthesizing"
    assert [task.name for task in sent()] == ["polyphony.synthesize"]


def test_models_are_those_that_can_be_asked(api: Api) -> None:
    models = {model["id"]: model for model in api.get("/api/models/").json()["results"]}
    assert set(models) == {*THREE, "played:script"}
    assert models["swift:one"] == {
        "id": "swift:one",
        "label": "Swift One",
        "provider": "swift",
        "demo": False,
        "context_window": 1000,
        "input_price": "1",
        "output_price": "2.5",
        "capabilities": ["reasoning"],
    }
    assert models["swift:two"]["input_price"] is None
    assert (models["played:script"]["demo"], models["played:script"]["label"]) == (True, "Script (demo, no AI)")


def test_no_key_of_a_provider_is_ever_shown(api: Api, settings: Any, thread: Thread) -> None:
    settings.PROVIDERS["swift"]["api_key"] = "sk-canary"
    for answer in (api.get("/api/models/"), api.post(runs(thread), BODY), api.get("/api/schema/")):
        assert b"canary" not in answer.content


def test_a_password_becomes_a_token_that_opens_the_api(ada: Any) -> None:
    answer = Api().post("/api/token/", {"username": "ada", "password": "a long pass phrase"})
    assert answer.status_code == 200
    again = Api().post("/api/token/", {"username": "ada", "password": "a long pass phrase"})
    assert answer.json() == again.json() == {"token": Token.objects.get(user=ada).key}
    assert Api(authorization=f"Token {answer.json()['token']}").get("/api/threads/").status_code == 200


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        ({"username": "ada", "password": "wrong"}, "This user name and this password do not fit together. Check both."),
        ({"username": "eve", "password": "wrong"}, "This user name and this password do not fit together. Check both."),
        ({"username": "ada"}, "Correct the field “password”. It is missing."),
        ({"username": "ada\x00", "password": "x"}, "cannot be stored"),
        ({"username": "ada", "password": "\ud800"}, "cannot be stored"),
        ({"username": 1, "password": "x"}, "Correct the field “username”. It is not a text."),
    ],
)
def test_wrong_credentials_are_refused(ada: Any, credentials: dict[str, Any], sentence: str) -> None:
    status, _code, message = refusal(Api().post("/api/token/", credentials))
    assert status == 400
    assert sentence in message
    assert not Token.objects.exists()


def test_a_person_who_may_not_sign_in_gets_no_token(ada: Any) -> None:
    ada.is_active = False
    ada.save()
    answer = Api().post("/api/token/", {"username": "ada", "password": "a long pass phrase"})
    assert refusal(answer)[0] == 400


def test_after_the_answer_another_version_a_choice_and_a_verdict(api: Api, ada: Any) -> None:
    run = completed(ada)
    draft = candidates_of(run)[1]
    answer = api.post(f"/api/runs/{run.pk}/rewrite/", {"master": "swift:two"})
    assert answer.status_code == 202
    assert [view["status"] for view in answer.json()["versions"]] == ["queued"]
    assert api.post(f"/api/runs/{run.pk}/rewrite/").status_code == 200
    used = api.post(f"/api/generations/{draft.pk}/use/")
    assert (used.status_code, used.json()["chosen"], used.json()["outcome"]) == (202, str(draft.pk), "chosen")
    assert api.post(f"/api/generations/{draft.pk}/use/").status_code == 200
    judged = api.post(f"/api/generations/{draft.pk}/feedback/", {"verdict": "up"})
    assert (judged.status_code, judged.json()) == (200, {"generation": str(draft.pk), "verdict": "up"})
    assert refusal(api.post(f"/api/generations/{draft.pk}/feedback/", {"verdict": "x"}))[:2] == (400, "invalid")
    assert refusal(api.post(f"/api/runs/{run.pk}/rewrite/", {"master": "x:y"}))[:2] == (400, "invalid")
    run.generations.filter(kind="candidate", position__gt=0).update(status="failed", text="")
    assert refusal(api.post(f"/api/runs/{run.pk}/rewrite/"))[:2] == (409, "too_few_drafts")


def test_another_model_is_asked_in_the_place_of_one_that_failed(api: Api, ada: Any) -> None:
    run = failed(ada)
    second = candidates_of(run)[1]
    assert refusal(api.post(f"/api/generations/{second.pk}/retry/", {"model": "lost:key"}))[:2] == (400, "invalid")
    answer = api.post(f"/api/generations/{second.pk}/retry/", {"model": "swift:three"})
    assert answer.status_code == 202
    asked = answer.json()["generations"][1]
    assert (asked["model"]["id"], asked["status"]) == ("swift:three", "queued")
