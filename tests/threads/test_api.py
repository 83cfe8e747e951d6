import uuid
from typing import Any

import pytest
from django.db import OperationalError

from tests.api import Api, refusal
from threads import api as threads_api
from threads.actions import add_message, add_prompt, create_thread
from threads.models import Message, Thread

THREADS = "/api/threads/"


@pytest.fixture
def api(ada: Any) -> Api:
    return Api(ada)


def test_a_thread_is_created_read_renamed_and_deleted(api: Api) -> None:
    made = api.post(THREADS, {"title": "Fugues", "system_prompt": "Be brief."})
    assert made.status_code == 201
    thread = made.json()
    assert set(thread) == {"id", "title", "tip", "system_prompt", "pinned", "shared", "created_at", "updated_at"}
    address = f"{THREADS}{thread['id']}/"
    assert api.get(address).json() == thread
    renamed = api.patch(address, {"title": "Canons"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Canons")
    assert api.get(address).json()["title"] == "Canons"
    gone = api.delete(address)
    assert (gone.status_code, gone.content) == (204, b"")
    assert api.get(address).status_code == 404


def test_a_thread_needs_nothing_to_begin(api: Api) -> None:
    for answer in (api.post(THREADS), api.post(THREADS, {}), api.post(THREADS, raw="null")):
        assert (answer.status_code, answer.json()["title"]) == (201, "")


def test_threads_are_listed_newest_first_a_page_at_a_time(api: Api, ada: Any, bob: Any) -> None:
    for number in range(5):
        create_thread(ada, str(number))
    create_thread(bob, "not mine")
    first = api.get(THREADS + "?page_size=2").json()
    assert ([thread["title"] for thread in first["results"]], first["count"]) == (["4", "3"], 5)
    assert first["previous"] is None
    last = api.get(THREADS + "?page_size=2&page=3").json()
    assert ([thread["title"] for thread in last["results"]], last["next"]) == (["0"], None)


def test_a_page_never_holds_more_than_200(api: Api, ada: Any) -> None:
    Thread.objects.bulk_create(Thread(owner=ada) for _ in range(201))
    assert len(api.get(THREADS + "?page_size=1000000").json()["results"]) == 200


def test_lanes_are_neither_listed_nor_opened(api: Api, ada: Any) -> None:
    from threads.actions import create_lanes

    (lane,) = create_lanes(add_prompt(create_thread(ada), "Why?"), 1)
    assert api.get(THREADS).json()["count"] == 1
    assert api.get(f"{THREADS}{lane.pk}/").status_code == 404


def test_messages_are_prompts_and_final_answers_oldest_first(api: Api, ada: Any) -> None:
    thread = create_thread(ada)
    prompt = add_prompt(thread, "Why?")
    add_message(thread.pk, Message.Kind.DRAFT, "draft", parent_id=prompt.pk)
    add_message(thread.pk, Message.Kind.FINAL, "final", parent_id=prompt.pk, model_id="m")
    page = api.get(f"{THREADS}{thread.pk}/messages/").json()
    assert [(m["kind"], m["content"]) for m in page["results"]] == [("prompt", "Why?"), ("final", "final")]
    assert page["count"] == 2


def test_a_list_takes_a_constant_number_of_queries(api: Api, ada: Any, django_assert_num_queries: Any) -> None:
    for _ in range(20):
        create_thread(ada)
    with django_assert_num_queries(4):  # session, user, count, page
        api.get(THREADS)


@pytest.mark.parametrize("page", ["-1", "0", "1000000000", "x", "9" * 400, "", "1.5", "%00", "\u0661e"])
def test_a_page_that_is_not_there_is_not_found(api: Api, page: str) -> None:
    if page == "":
        assert api.get(THREADS + "?page=").status_code in (200, 404)
        return
    assert refusal(api.get(f"{THREADS}?page={page}")) == (
        404,
        "not_found",
        "There is no such page. Begin with page=1.",
    )


@pytest.mark.parametrize("size", ["-1", "0", "x", "9" * 400, "%00"])
def test_a_page_size_that_makes_no_sense_is_the_usual_one(api: Api, size: str) -> None:
    assert api.get(f"{THREADS}?page_size={size}").status_code == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"title": 7}, "Correct the field “title”. It is not a text. Send a JSON string."),
        ({"title": None}, "Correct the field “title”. It is null. Send a text."),
        ({"title": ["a"]}, "Correct the field “title”. It is not a text. Send a JSON string."),
        ({"title": True}, "Correct the field “title”. It is not a text. Send a JSON string."),
        ({"title": "a\x00"}, "NUL or half of a character"),
        ({"title": "a\ud800"}, "NUL or half of a character"),
        ({"title": "x" * 201}, "The title has 201 characters; the limit is 200. Shorten it."),
        ({"titel": "a"}, "Correct the field “titel”. There is no such field."),
        ({"owner": 1, "kind": "lane"}, "Correct the field “kind”. There is no such field."),
        ({"\ud800": 1}, "There is no such field."),
        ([], "The body is not a JSON object. Send one."),
        ("text", "The body is not a JSON object. Send one."),
        (7, "The body is not a JSON object. Send one."),
    ],
)
def test_a_wrong_body_is_refused_with_what_to_do_and_leaves_nothing(api: Api, body: Any, sentence: str) -> None:
    status, code, message = refusal(api.post(THREADS, body))
    assert (status, code) == (400, "invalid")
    assert sentence in message
    assert not Thread.objects.exists()


def test_every_unknown_field_is_named(api: Api) -> None:
    fields = api.post(THREADS, {"a": 1, "b": 2, "title": "t"}).json()["error"]["fields"]
    assert set(fields) == {"a", "b"}
    assert fields["a"] == ["There is no such field. Known are: title, system_prompt."]


def test_a_change_must_be_there(api: Api, ada: Any) -> None:
    address = f"{THREADS}{create_thread(ada, 'before').pk}/"
    assert refusal(api.patch(address, {}))[2] == "There is nothing to change. Send title, pinned or tip."
    assert refusal(api.patch(address, {"title": " "}))[2] == "The title is empty. Type a few words."
    assert Thread.objects.get().title == "before"


NOT_JSON = {
    "malformed": b'{"title": ',
    "two values": b"{}{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"title": "a"}'.encode("utf-16"),
    "bytes that are no text": b'{"title": "\xff"}',
    "NaN": b'{"title": NaN}',
    "Infinity": b"-Infinity",
    "10,000 levels": b"[" * 10_000 + b"]" * 10_000,
    "100,000 levels": b'{"a":' * 100_000,
    "a number of 10,000 digits": b"1" * 10_000,
    "the same key twice": b'{"title": "a", "title": "b"}',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "nothing but space": b"   ",
}


@pytest.mark.parametrize("what", NOT_JSON)
def test_a_body_that_is_no_json_is_refused(api: Api, what: str) -> None:
    assert refusal(api.post(THREADS, raw=NOT_JSON[what])) == (
        400,
        "parse_error",
        "The body is not valid JSON in UTF-8. Correct it and send it again.",
    )
    assert not Thread.objects.exists()


@pytest.mark.parametrize("charset", ["zlib", "utf-16", "rot13", "nonsense", "utf-8"])
def test_the_charset_of_a_request_is_not_believed(api: Api, charset: str) -> None:
    answer = api.post(THREADS, {"title": "a"}, content_type=f"application/json; charset={charset}")
    assert answer.status_code == 201


def test_a_compressed_bomb_in_the_charset_is_not_inflated(api: Api) -> None:
    import zlib

    bomb = zlib.compress(b" " * 50_000_000)
    assert refusal(api.post(THREADS, raw=bomb, content_type="application/json; charset=zlib"))[0] == 400


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x", "application/xml"],
)
def test_another_content_type_is_refused(api: Api, kind: str) -> None:
    assert refusal(api.post(THREADS, raw=b"title=a", content_type=kind)) == (
        415,
        "unsupported_media_type",
        "Send JSON with the header Content-Type: application/json.",
    )


def test_a_body_that_is_too_large_is_refused(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert refusal(api.post(THREADS, {"title": "x" * 200})) == (
        413,
        "too_large",
        "The body is too large. Send a shorter one.",
    )
    assert not Thread.objects.exists()


def test_another_wish_than_json_is_refused(api: Api) -> None:
    assert refusal(api.get(THREADS, headers={"accept": "application/xml"}))[:2] == (406, "not_acceptable")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_a_method_that_an_address_does_not_know_is_refused(api: Api, method: str) -> None:
    answer = api.send(method, THREADS)
    assert refusal(answer)[:2] == (405, "method_not_allowed")
    assert "GET, POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["", "threads", "threads/1/", "threads/-1/", "threads/../", "nope/", "threads/" + "x" * 10_000]
)
def test_every_other_address_answers_in_json(api: Api, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert refusal(api.send(method, f"/api/{path}"))[:2] == (404, "not_found")


def test_a_stranger_is_asked_to_sign_in(db: None) -> None:
    assert refusal(Api().get(THREADS)) == (
        401,
        "not_authenticated",
        "Sign in, or send the header Authorization: Token with a token.",
    )


@pytest.mark.parametrize("header", ["Token nonsense", "Token", "Token a b", "Token \u00e4", "Token " + "x" * 5000])
def test_a_token_that_is_not_valid_is_refused(db: None, header: str) -> None:
    assert refusal(Api(authorization=header).get(THREADS))[:2] == (401, "authentication_failed")


def test_a_session_without_a_csrf_token_is_refused(ada: Any) -> None:
    api = Api(ada)
    api.client.handler.enforce_csrf_checks = True
    assert refusal(api.post(THREADS, {})) == (
        403,
        "permission_denied",
        "The request is not allowed. Send the header X-CSRFToken, or use a token.",
    )
    assert not Thread.objects.exists()


def test_a_database_that_is_away_is_a_503_with_when_to_try_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("connection to server at secret-host failed")

    monkeypatch.setattr(threads_api, "create_thread", away)
    answer = api.post(THREADS, {})
    assert refusal(answer)[:2] == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert b"secret" not in answer.content


def test_an_id_of_nobody_is_not_found(api: Api) -> None:
    assert refusal(api.get(f"{THREADS}{uuid.uuid4()}/")) == (
        404,
        "not_found",
        "There is nothing here, or it is not yours. Check the address and its ids.",
    )


def test_a_thread_is_pinned_over_the_api(api: Api, ada: Any) -> None:
    address = f"{THREADS}{create_thread(ada).pk}/"
    assert api.patch(address, {"pinned": True}).json()["pinned"] is True
    assert api.patch(address, {"title": "New", "pinned": False}).json()["pinned"] is False
    assert api.get(address).json()["title"] == "New"
    for wrong in ("yes", 1, None):
        assert refusal(api.patch(address, {"pinned": wrong}))[0] == 400


def test_a_change_that_is_refused_in_part_changes_nothing(api: Api, ada: Any) -> None:
    address = f"{THREADS}{create_thread(ada, 'before').pk}/"
    assert api.patch(address, {"title": "After", "tip": str(uuid.uuid4())}).status_code == 404
    assert refusal(api.patch(address, {"title": "After", "tip": "zzz"}))[2] == (
        "Correct the field “tip”. It is no id. Send one as this API gave it."
    )
    assert api.get(address).json()["title"] == "before"


def test_another_branch_is_shown_over_the_api(api: Api, ada: Any) -> None:
    thread = create_thread(ada)
    one = add_prompt(thread, "One?")
    other = add_prompt(thread, "Other?", instead_of=one)
    address = f"{THREADS}{thread.pk}/"
    assert api.get(address).json()["tip"] == str(other.pk)
    assert api.patch(address, {"tip": str(one.pk)}).json()["tip"] == str(one.pk)
    parents = [turn["parent"] for turn in api.get(f"{address}messages/").json()["results"]]
    assert parents == [None, None]


def test_a_deleted_thread_is_restored_over_the_api(api: Api, ada: Any, bob: Any) -> None:
    address = f"{THREADS}{create_thread(ada, 'Mine').pk}/"
    assert api.post(f"{address}restore/").status_code == 404
    api.delete(address)
    assert Api(bob).post(f"{address}restore/").status_code == 404
    assert api.post(f"{address}restore/").json()["title"] == "Mine"
    assert api.get(address).status_code == 200


def test_threads_are_searched_over_the_api(api: Api, ada: Any, bob: Any) -> None:
    add_prompt(create_thread(ada, "One"), "A needle")
    create_thread(ada, "Two")
    create_thread(bob, "needle")
    found = api.get(THREADS + "?q=needle").json()
    assert ([thread["title"] for thread in found["results"]], found["count"]) == (["One"], 1)
    assert api.get(THREADS + "?q=%00").json()["count"] == 2


def test_a_thread_is_shared_over_the_api(api: Api, ada: Any) -> None:
    thread = create_thread(ada)
    address = f"{THREADS}{thread.pk}/"
    assert refusal(api.post(f"{address}share/"))[2] == "There is nothing to share yet. Ask something first."
    add_prompt(thread, "Why?")
    assert api.get(address).json()["shared"] is None
    link = api.post(f"{address}share/").json()["shared"]
    assert link.startswith("http://testserver/shared/")
    assert api.get(address).json()["shared"] == api.get(THREADS).json()["results"][0]["shared"] == link
    assert api.delete(f"{address}share/").status_code == 204
    assert api.get(address).json()["shared"] is None
