import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.db import aclose_old_connections
from channels.layers import channel_layers, get_channel_layer
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client

from chatproject.asgi import application
from runs import actions, consumers
from runs.snapshot import thread_snapshot
from tests.runs.rows import answering, candidates, claimed, completed, started
from threads import live
from threads.actions import create_lanes, create_thread, delete_thread, rename_thread
from threads.channel import FRAMES_MAX, ThreadLayer
from threads.connections import sync_client

pytestmark = [pytest.mark.usefixtures("models", "redis_flushed"), pytest.mark.django_db(transaction=True)]

ORIGIN = b"http://127.0.0.1:8000"


class Socket(ApplicationCommunicator):
    """A websocket to the application (that of ``channels.testing`` needs daphne)."""

    def __init__(
        self, path: str, cookie: bytes, origin: bytes | None, application: Callable[..., Any] = application
    ) -> None:
        headers = [(b"host", b"127.0.0.1:8000"), (b"cookie", cookie)] + ([(b"origin", origin)] if origin else [])
        super().__init__(
            application,
            {"type": "websocket", "path": path, "query_string": b"", "headers": headers, "subprotocols": []},
        )

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(3))["type"] == "websocket.accept")

    async def say(self, frame: Any) -> None:
        await self.say_text(json.dumps(frame))

    async def say_text(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        output = await self.receive_output(3)
        assert output["type"] == "websocket.send", output
        return json.loads(output["text"])

    async def closed(self) -> tuple[int, str]:
        output = await self.receive_output(3)
        assert output["type"] == "websocket.close", output
        return output["code"], output["reason"]

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(3)


def session_of(user: Any) -> bytes:
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}".encode()


@asynccontextmanager
async def opened(
    path: str, cookie: bytes = b"", origin: bytes | None = ORIGIN, application: Callable[..., Any] = application
) -> AsyncIterator[Socket]:
    socket = Socket(path, cookie, origin, application)
    try:
        yield socket
    finally:
        await socket.leave()
        layer: Any = get_channel_layer()
        await layer.flush()
        await aclose_old_connections()  # of the thread in which the test itself reads and writes


@asynccontextmanager
async def watching(thread_id: Any, cookie: bytes) -> AsyncIterator[Socket]:
    async with opened(f"/ws/threads/{thread_id}/", cookie) as socket:
        assert await socket.connect()
        yield socket


@pytest.fixture
def cookie(ada: Any) -> bytes:
    return session_of(ada)


async def test_a_snapshot_comes_first(ada: Any, cookie: bytes) -> None:
    run = await sync_to_async(completed)(ada)
    async with watching(run.thread_id, cookie) as socket:
        frame = await socket.hear()
    expected = await sync_to_async(lambda: thread_snapshot(run.thread).payload())()
    assert frame == expected
    assert frame["type"] == "snapshot"
    assert [message["kind"] for message in frame["messages"]] == ["prompt", "final"]


async def test_a_snapshot_holds_what_streams_right_now(ada: Any, cookie: bytes) -> None:
    run = await sync_to_async(answering)(ada)
    candidate = (await sync_to_async(candidates)(run))[0]
    await sync_to_async(claimed)(candidate)
    sync_client().set(live.key(candidate.pk, 1), "So far 🌳")
    async with watching(run.thread_id, cookie) as socket:
        frame = await socket.hear()
    assert [g["text"] for g in frame["runs"][0]["generations"]] == ["So far 🌳", "", ""]


async def test_one_run_can_be_asked_for(ada: Any, cookie: bytes) -> None:
    first = await sync_to_async(completed)(ada)
    second = await sync_to_async(lambda: started(ada, thread=first.thread, prompt="And then?"))()
    async with watching(first.thread_id, cookie) as socket:
        assert len((await socket.hear())["runs"]) == 2
        await socket.say({"type": "snapshot", "run": str(second.pk)})
        frame = await socket.hear()
    assert [run["id"] for run in frame["runs"]] == [str(second.pk)]
    assert [message["content"] for message in frame["messages"]] == ["And then?"]


async def test_another_snapshot_of_all_can_be_asked_for(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, cookie) as socket:
        first = await socket.hear()
        for request in ({"type": "snapshot"}, {"type": "snapshot", "run": None}):
            await socket.say(request)
            assert await socket.hear() == first


async def test_a_run_of_another_thread_is_not_shown(ada: Any, bob: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)
    foreign = await sync_to_async(completed)(bob)
    async with watching(thread.pk, cookie) as socket:
        await socket.hear()
        for run in (foreign.pk, uuid.uuid4()):
            await socket.say({"type": "snapshot", "run": str(run)})
            frame = await socket.hear()
            assert (frame["runs"], frame["messages"]) == ([], [])


async def test_events_arrive_after_the_snapshot(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, cookie) as socket:
        await socket.hear()
        run = await sync_to_async(started)(ada, thread=thread)
        words = [(await socket.hear())["type"] for _ in range(3)]
        assert words == ["thread.updated", "message.created", "run.started"]
        await sync_to_async(actions.request_cancel)(run.pk)
        words = [(await socket.hear())["type"] for _ in range(4)]
        assert words == ["generation.cancelled"] * 3 + ["run.cancelled"]


async def test_two_tabs_see_the_same(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada, "Before")
    async with watching(thread.pk, cookie) as one, watching(thread.pk, cookie) as two:
        assert await one.hear() == await two.hear()
        await sync_to_async(rename_thread)(thread, "After")
        event = await one.hear()
        assert event == {"type": "thread.updated", "thread": {"id": str(thread.pk), "title": "After", "tip": None}}
        assert await two.hear() == event


async def test_the_socket_closes_when_the_thread_is_deleted(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, cookie) as socket:
        await socket.hear()
        await sync_to_async(delete_thread)(thread)
        assert await socket.closed() == (4404, "This thread was deleted. Open another one.")


async def test_a_stranger_is_asked_to_sign_in(ada: Any) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, b"") as socket:
        assert await socket.closed() == (4401, "Sign in, then connect again.")


async def test_a_session_that_is_over_is_asked_to_sign_in(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)
    name = settings.SESSION_COOKIE_NAME.encode()
    for wrong in (name + b"=nonsense", name + b"=", cookie + b"x"):
        async with watching(thread.pk, wrong) as socket:
            assert (await socket.closed())[0] == 4401


async def test_a_foreign_thread_a_lane_and_an_unknown_one_are_refused_alike(ada: Any, bob: Any, cookie: bytes) -> None:
    foreign = await sync_to_async(create_thread)(bob)
    prompt = (await sync_to_async(started)(ada)).prompt
    (lane,) = await sync_to_async(create_lanes)(prompt, 1)
    answers = set()
    for thread_id in (foreign.pk, lane.pk, uuid.uuid4()):
        async with watching(thread_id, cookie) as socket:
            answers.add(await socket.closed())
    assert answers == {(4404, "There is no such thread. Open another one.")}


async def test_nothing_of_a_foreign_thread_is_relayed(ada: Any, bob: Any, cookie: bytes) -> None:
    foreign = await sync_to_async(create_thread)(bob)
    async with watching(foreign.pk, cookie) as socket:
        await socket.closed()
        await sync_to_async(rename_thread)(foreign, "Secret")
        assert await socket.receive_nothing()


async def test_a_stranger_who_goes_on_talking_is_not_heard(ada: Any) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, b"") as socket:
        await socket.say({"type": "snapshot"})
        assert (await socket.closed())[0] == 4401
        assert await socket.receive_nothing()


async def test_a_thread_that_changed_hands_is_refused_at_the_next_word(ada: Any, bob: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, cookie) as socket:
        await socket.hear()
        await sync_to_async(type(thread).objects.filter(pk=thread.pk).update)(owner=bob)
        await socket.say({"type": "snapshot"})
        assert (await socket.closed())[0] == 4404


@pytest.mark.parametrize("origin", [None, b"https://evil.example", b"null", b"http://127.0.0.1.evil.example"])
async def test_a_page_from_elsewhere_is_refused(ada: Any, cookie: bytes, origin: bytes | None) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with opened(f"/ws/threads/{thread.pk}/", cookie, origin) as socket:
        assert not await socket.connect()


async def test_a_binary_frame_closes_the_socket(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)
    for frame in (b"\x00\xff", b'{"type": "snapshot"}'):
        async with watching(thread.pk, cookie) as socket:
            await socket.hear()
            await socket.send_input({"type": "websocket.receive", "bytes": frame})
            assert await socket.closed() == (1003, "Send JSON as a text frame.")


NOT_JSON = {
    "nothing": "",
    "words": "hello",
    "half": '{"type":',
    "10,000 levels": "[" * 10_000,
    "a number of 10,000 digits": "1" * 10_000,
}


@pytest.mark.parametrize("what", NOT_JSON)
async def test_a_frame_that_is_no_json_closes_the_socket(ada: Any, cookie: bytes, what: str) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, cookie) as socket:
        await socket.hear()
        await socket.say_text(NOT_JSON[what])
        assert await socket.closed() == (1007, "Send valid JSON.")


@pytest.mark.parametrize(
    "frame",
    [
        [], 7, None, "snapshot", True, {}, {"type": None}, {"type": "nonsense"}, {"type": ["snapshot"]},
        {"type": "thread.event", "text": "{}"}, {"type": "websocket.close"}, {"type": "snapshot", "run": 7},
        {"type": "snapshot", "run": "x"}, {"type": "snapshot", "run": ""}, {"type": "snapshot", "run": ["x"]},
        {"type": "snapshot", "run": "\ud800"}, {"type": "snapshot", "run": "../"}, {"type": {"a": 1}},
    ],
)  # fmt: skip
async def test_a_word_that_nobody_knows_closes_the_socket(ada: Any, cookie: bytes, frame: Any) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, cookie) as socket:
        await socket.hear()
        await socket.say_text(json.dumps(frame))
        code, reason = await socket.closed()
        assert (code, reason) == (1008, 'Send {"type": "snapshot"}, with "run": id for one run.')


async def test_many_requests_are_each_answered(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, cookie) as socket:
        await socket.hear()
        for _ in range(30):
            await socket.say({"type": "snapshot"})
        for _ in range(30):
            assert (await socket.hear())["type"] == "snapshot"


@asynccontextmanager
async def watching_slowly(thread_id: Any, cookie: bytes) -> AsyncIterator[tuple[Socket, asyncio.Event]]:
    """A socket whose client takes frames only while the event is set."""
    takes = asyncio.Event()
    takes.set()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        async def when_taken(message: Any) -> None:
            await takes.wait()
            await send(message)

        await application(scope, receive, when_taken)

    async with opened(f"/ws/threads/{thread_id}/", cookie, application=slow) as socket:
        assert await socket.connect()
        yield socket, takes


async def test_a_slow_socket_loses_frames_and_gets_one_snapshot_for_them(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada, "Before")
    async with watching_slowly(thread.pk, cookie) as (slow, takes), watching(thread.pk, cookie) as healthy:
        for socket in (slow, healthy):
            await socket.hear()
        takes.clear()
        for number in range(FRAMES_MAX + 2):
            await sync_to_async(rename_thread)(thread, f"Title {number}")
            assert (await healthy.hear())["thread"]["title"] == f"Title {number}"
        takes.set()
        assert (await slow.hear())["thread"]["title"] == "Title 0"  # was on its way
        snapshot = await slow.hear()
        assert (snapshot["type"], snapshot["thread"]["title"]) == ("snapshot", f"Title {FRAMES_MAX + 1}")
        await sync_to_async(rename_thread)(thread, "After")
        assert await slow.hear() == await healthy.hear()


async def test_a_socket_that_takes_nothing_is_let_go(ada: Any, cookie: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = await sync_to_async(create_thread)(ada)
    monkeypatch.setattr(consumers, "PATIENCE", 0.5)
    async with watching_slowly(thread.pk, cookie) as (slow, takes):
        await slow.hear()
        takes.clear()
        await sync_to_async(rename_thread)(thread, "Title")
        await asyncio.sleep(0.7)
        takes.set()
        assert await slow.closed() == (1013, "The connection is too slow for what is said here. Connect again.")
        layer: Any = get_channel_layer()
        assert not layer.groups


async def test_a_client_that_vanishes_in_the_middle_of_a_frame_leaves_nothing_behind(ada: Any, cookie: bytes) -> None:
    thread = await sync_to_async(create_thread)(ada)

    async def vanishing(scope: Any, receive: Any, send: Any) -> None:
        async def broken(message: Any) -> None:
            if message["type"] == "websocket.send":
                raise OSError
            await send(message)

        with suppress(OSError):
            await application(scope, receive, broken)

    async with opened(f"/ws/threads/{thread.pk}/", cookie, application=vanishing) as socket:
        assert await socket.connect()
        await socket.wait(3)
        layer: Any = get_channel_layer()
        assert (layer.groups, layer.channels) == ({}, {})


async def test_with_redis_away_the_socket_shows_the_database_and_says_that_nothing_more_will_come(
    ada: Any, cookie: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await sync_to_async(create_thread)(ada)
    monkeypatch.setitem(channel_layers.backends, "default", ThreadLayer(["unix:///nowhere/valkey.sock"]))
    async with watching(thread.pk, cookie) as socket:
        assert (await socket.hear())["type"] == "snapshot"
        assert await socket.hear() == {"type": "thread.live", "live": False}
        await socket.say({"type": "snapshot"})
        assert (await socket.hear())["type"] == "snapshot"
        assert await socket.receive_nothing()


async def test_with_the_database_away_the_socket_says_so_and_closes(
    ada: Any, cookie: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await sync_to_async(create_thread)(ada)
    asked = []

    def away(_thread: Any) -> Any:
        asked.append(1)
        raise OperationalError("postgres://secret@host is away")

    monkeypatch.setattr(consumers, "brief_snapshot", away)
    for _ in range(3):
        async with watching(thread.pk, cookie) as socket:
            reason = "The database does not answer at the moment. Connect again in a few seconds."
            assert await socket.closed() == (1013, reason)
    assert len(asked) == 1, "the others waited for it too"


def sign_out(user: Any) -> None:
    Session.objects.all().delete()


def deactivate(user: Any) -> None:
    type(user).objects.filter(pk=user.pk).update(is_active=False)


def change_password(user: Any) -> None:
    user.set_password("another long pass phrase")
    user.save()


@pytest.mark.parametrize("end", [sign_out, deactivate, change_password])
@pytest.mark.parametrize("asks", [True, False])
async def test_whoever_is_signed_in_no_longer_hears_nothing_more(
    ada: Any, cookie: bytes, monkeypatch: pytest.MonkeyPatch, end: Callable[[Any], None], *, asks: bool
) -> None:
    thread = await sync_to_async(create_thread)(ada)
    async with watching(thread.pk, cookie) as socket:
        await socket.hear()
        await sync_to_async(end)(ada)
        if asks:
            await socket.say({"type": "snapshot"})
        else:
            monkeypatch.setattr(consumers, "CHECK_EVERY", 0.0)
            await sync_to_async(rename_thread)(thread, "Secret")
        assert await socket.closed() == (4401, "Sign in, then connect again.")


async def test_sockets_read_the_database_side_by_side_and_keep_no_connection(
    ada: Any, cookie: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await sync_to_async(create_thread)(ada)
    together = threading.Barrier(2, timeout=3)
    whole = consumers.brief_snapshot

    def when_both_read(thread: Any) -> Any:
        together.wait()
        return whole(thread)

    monkeypatch.setattr(consumers, "brief_snapshot", when_both_read)
    async with watching(thread.pk, cookie) as one, watching(thread.pk, cookie) as two:
        assert await one.hear() == await two.hear()
    monkeypatch.undo()
    assert await sync_to_async(_open_connections)() == 0


def _open_connections() -> int:
    """How many of the readers hold a connection now."""
    workers = consumers.READERS._max_workers
    everyone = threading.Barrier(workers, timeout=3)

    def holds() -> bool:
        everyone.wait()
        return connection.connection is not None

    return sum(reading.result() for reading in [consumers.READERS.submit(holds) for _ in range(workers)])
