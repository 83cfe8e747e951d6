"""What belongs to somebody else answers exactly like what does not exist: for every address that takes an id."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from runs.models import Council, MultiModelRun
from tests.api import Api
from tests.runs.rows import THREE, answering, counts

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
IDS = {"thread_id": "threads", "run_id": "runs", "generation_id": "generations", "council_id": "councils"}
BODIES: list[dict[str, Any]] = [{}, {"title": "Mine now"}, {"prompt": "Why?", "master": THREE[0]}, {"name": "Mine now"}]


def addresses(resolver: Any = None, before: str = "") -> Iterator[tuple[str, list[str]]]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            if not str(entry.pattern).startswith("admin"):
                yield from addresses(entry, before + str(entry.pattern))
        elif isinstance(entry, URLPattern) and (names := list(entry.pattern.converters)):
            yield before + str(entry.pattern), names


ADDRESSES = {route: names for route, names in addresses() if set(names) <= set(IDS)}


def test_the_addresses_of_threads_and_runs_are_among_those_that_are_tested() -> None:
    assert {
        "api/threads/<uuid:thread_id>/",
        "api/threads/<uuid:thread_id>/messages/",
        "api/threads/<uuid:thread_id>/runs/",
        "api/runs/<uuid:run_id>/",
        "api/runs/<uuid:run_id>/stop/",
        "api/generations/<uuid:generation_id>/stop/",
        "generations/<uuid:generation_id>/retry/",
    } <= set(ADDRESSES)


def test_every_address_that_takes_an_id_is_tested() -> None:
    assert {route for route, _names in addresses() if route.startswith("api/")} <= set(ADDRESSES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", ADDRESSES)
def test_a_foreign_id_answers_like_an_unknown_one(ada: Any, bob: Any, route: str, method: str) -> None:
    run = answering(ada)
    ids = ids_of(run)
    api = Api(bob)
    before = counts(), str(run.thread), run.status
    for body in BODIES:
        foreign, unknown = (
            api.send(method, "/" + fill(route, values), body)
            for values in (ids, dict.fromkeys(IDS, uuid.UUID("11111111-1111-4111-8111-111111111111")))
        )
        assert foreign.status_code == unknown.status_code
        assert scrubbed(foreign, ids) == scrubbed(unknown, {})
        if route.startswith("api/"):
            assert foreign.status_code in ({200, 404, 405} if method == "OPTIONS" else {404, 405})
    run.refresh_from_db()
    run.thread.refresh_from_db()
    assert (counts(), str(run.thread), run.status) == before
    assert run.cancel_requested_at is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", [route for route in ADDRESSES if route.startswith("api/")])
def test_a_stranger_learns_nothing(ada: Any, route: str, method: str) -> None:
    run = answering(ada)
    ids = ids_of(run)
    answer = Api().send(method, "/" + fill(route, ids), {})
    assert answer.status_code == 401


def test_staff_have_no_key_to_the_conversations_of_others(ada: Any, bob: Any) -> None:
    bob.is_staff = bob.is_superuser = True
    bob.save()
    run = answering(ada)
    assert Api(bob).get(f"/api/threads/{run.thread_id}/").status_code == 404
    assert Api(bob).get(f"/api/runs/{run.pk}/").status_code == 404


def ids_of(run: MultiModelRun) -> dict[str, Any]:
    council = Council.objects.create(owner_id=run.owner_id, name="Everyday", master_model=THREE[0])
    generation = run.generations.all()[0]
    return {"thread_id": run.thread_id, "run_id": run.pk, "generation_id": generation.pk, "council_id": council.pk}


def fill(route: str, ids: dict[str, Any]) -> str:
    for name, value in ids.items():
        route = route.replace(f"<uuid:{name}>", str(value))
    return route


def scrubbed(answer: Any, ids: dict[str, Any]) -> tuple[bytes, str]:
    """The body without the address that was asked for, which a page may repeat, and without what is random."""
    body = answer.content
    for value in [*ids.values(), "11111111-1111-4111-8111-111111111111"]:
        body = body.replace(str(value).encode(), b"ID")
    return body, answer.headers.get("Content-Type", "")
