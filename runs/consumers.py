"""The websocket of a thread: authorise, join, snapshot, relay. It understands no event."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn, ParamSpec, TypeVar
from uuid import UUID

import redis
from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils.crypto import constant_time_compare

from runs.snapshot import brief_snapshot, thread_snapshot
from threads.channel import group_name
from threads.models import Thread

SIGN_IN = 4401
NO_THREAD = 4404
BAD_TEXT = 1007
NOT_TEXT = 1003
NOT_UNDERSTOOD = 1008
TRY_AGAIN = 1013

PATIENCE = 10.0
"""Seconds until a socket that takes no frame is let go. What waits for it meanwhile is bounded (``FrameQueue``)."""
CHECK_EVERY = 30.0
"""Seconds after which a frame is relayed only if the person is still signed in and the thread still theirs."""
READERS = ThreadPoolExecutor(4, thread_name_prefix="socket-reader")
"""Where sockets read the database: side by side, and with fewer connections than a pool has, which pages need too."""

P = ParamSpec("P")
T = TypeVar("T")


class ThreadConsumer(AsyncWebsocketConsumer):
    """One viewer of one thread.

    A client may send one thing: ``{"type": "snapshot"}``, with ``"run": id`` to have only that run.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """However the socket ends, it leaves its group."""
        self.thread_id: UUID = scope["url_route"]["kwargs"]["thread_id"]
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._leave()

    async def connect(self) -> None:
        """Only the owner joins, and before the snapshot is read: what happens between the two arrives as an event."""
        await self.accept()
        await self._read(self._thread)
        try:
            await self.channel_layer.group_add(group_name(self.thread_id), self.channel_name)
        except redis.RedisError:
            await self.refuse(TRY_AGAIN, "The broker cannot be reached at the moment. Connect again in a few seconds.")
        await self.send_snapshot()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a request for a snapshot; close on anything else with what to do."""
        if text_data is None:
            await self.refuse(NOT_TEXT, "Send JSON as a text frame.")
        try:
            frame = json.loads(text_data)
        except (ValueError, RecursionError):
            await self.refuse(BAD_TEXT, "Send valid JSON.")
        try:
            run_id = _requested_run(frame)
        except ValueError:
            await self.refuse(NOT_UNDERSTOOD, 'Send {"type": "snapshot"}, with "run": id for one run.')
        await self.send_snapshot(run_id)

    async def send_snapshot(self, run_id: UUID | None = None) -> None:
        """Send the thread as it stands, or one run of it with all of its texts."""
        await self.send(text_data=await self._read(self._snapshot, run_id))

    async def send(self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False) -> None:  # type: ignore[override]  # noqa: FBT001, FBT002
        """Say one frame; a client that does not take it in time may connect again when it can."""
        try:
            async with asyncio.timeout(PATIENCE):
                await super().send(text_data, bytes_data, close)
        except TimeoutError:
            await self.refuse(TRY_AGAIN, "The connection is too slow for what is said here. Connect again.")

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle one message without the database housekeeping of channels: ``READERS`` do their own."""
        await getattr(self, get_handler_name(message))(message)

    async def thread_event(self, message: dict[str, Any]) -> None:
        """Relay a frame."""
        if time.monotonic() - self._checked_at > CHECK_EVERY:
            await self._read(self._thread)
        await self.send(text_data=message["text"])

    async def thread_resync(self, _message: dict[str, Any]) -> None:
        """Frames for this socket were dropped: say at once what they would have said."""
        await self.send_snapshot()

    async def thread_gone(self, _message: dict[str, Any]) -> None:
        """The thread was deleted while it was being watched."""
        await self.refuse(NO_THREAD, "This thread was deleted. Open another one.")

    async def refuse(self, code: int, reason: str) -> NoReturn:
        """Close the socket for good: nothing that comes after it is heard, and nothing more is said."""
        await self._leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.close(code, reason)
        raise StopConsumer

    async def _leave(self) -> None:
        """Leave the group. With Redis away, this process forgets the socket all the same."""
        with suppress(redis.RedisError):
            await self.channel_layer.group_discard(group_name(self.thread_id), self.channel_name)

    async def _read(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a function finds in the database; who may not see it (or no longer) is refused."""
        try:
            found = await database_sync_to_async(read, thread_sensitive=False, executor=READERS)(*args, **kwargs)
        except PermissionDenied:
            await self.refuse(SIGN_IN, "Sign in, then connect again.")
        except Thread.DoesNotExist:
            await self.refuse(NO_THREAD, "There is no such thread. Open another one.")
        self._checked_at = time.monotonic()
        return found

    def _snapshot(self, run_id: UUID | None) -> str:
        thread = self._thread()
        snapshot = brief_snapshot(thread) if run_id is None else thread_snapshot(thread, run_id)
        return json.dumps(snapshot.payload())

    def _thread(self) -> Thread:
        return Thread.objects.owned_by(self._person()).get(pk=self.thread_id)

    def _person(self) -> User:
        """Who is signed in now: a socket lives longer than a request, and its session may have ended meanwhile.

        Raises:
            PermissionDenied: signed out, deactivated, or the password was changed elsewhere.
        """
        session = import_module(settings.SESSION_ENGINE).SessionStore(self.scope["session"].session_key)
        person = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
        if person is None or not constant_time_compare(
            session.get(HASH_SESSION_KEY, ""), person.get_session_auth_hash()
        ):
            raise PermissionDenied
        return person


def _requested_run(frame: Any) -> UUID | None:
    """The run that a request names, or ``None`` for the whole thread.

    Raises:
        ValueError: the frame is no request for a snapshot.
    """
    if not isinstance(frame, dict) or frame.get("type") != "snapshot":
        raise ValueError(frame)
    run = frame.get("run")
    if run is not None and not isinstance(run, str):
        raise ValueError(run)
    return None if run is None else UUID(run)
