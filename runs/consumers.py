"""The websocket of a thread: authorise, join, snapshot, relay. It understands no event."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from random import uniform
from typing import Any, NoReturn, ParamSpec, TypeVar, cast
from uuid import UUID

from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils.crypto import constant_time_compare

from runs.snapshot import brief_snapshot, thread_snapshot
from threads import database
from threads.breaker import Breaker, NotTried
from threads.channel import ThreadLayer, encode, group_name
from threads.events import ThreadLive
from threads.models import Thread
from threads.patience import Patience

SIGN_IN = 4401
NO_THREAD = 4404
BAD_TEXT = 1007
NOT_TEXT = 1003
NOT_UNDERSTOOD = 1008
TRY_AGAIN = 1013

PATIENCE = 10.0
"""Seconds until a socket that takes no frame is let go. What waits for it meanwhile is bounded (``FrameQueue``)."""
CHECK_EVERY = 30.0
"""Seconds at most after which a frame is relayed only if the person is still signed in and the thread still theirs."""
READERS = ThreadPoolExecutor(3, thread_name_prefix="socket-reader")
"""Where sockets read the database: side by side, and with fewer connections than a process has: pages need some too."""

DATABASE = Breaker("The database of the sockets", *database.AWAY)
"""With the database away each read waits for it, and hundreds of sockets come back at once: few of them need to."""

P = ParamSpec("P")
T = TypeVar("T")


class ThreadConsumer(AsyncWebsocketConsumer):
    """One viewer of one thread.

    A client may send one thing: ``{"type": "snapshot"}``, with ``"run": id`` to have only that run.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hear the client and the thread until one of them ends it; however the socket ends, it leaves its group."""
        self.scope, self.base_send = scope, send
        self.thread_id: UUID = scope["url_route"]["kwargs"]["thread_id"]
        self._live = True
        self._turn = asyncio.Lock()
        """Held by who speaks: what happens while a snapshot is read is said after it."""
        self.channel_layer = self._layer = cast(ThreadLayer, get_channel_layer())
        self.channel_name = await self._layer.new_channel()
        both = [asyncio.create_task(self._hear_client(receive)), asyncio.create_task(self._hear_thread())]
        try:
            for task in asyncio.as_completed(both):
                await task
        except StopConsumer:
            pass
        finally:
            for task in both:
                task.cancel()
            try:
                await asyncio.gather(*both, return_exceptions=True)
                await self._leave()
            finally:
                self._layer.forget(self.channel_name)

    async def _hear_client(self, receive: Any) -> None:
        while True:
            message = await receive()
            async with self._turn:
                await getattr(self, get_handler_name(message))(message)

    async def _hear_thread(self) -> None:
        """Relay what is said in the thread, as many frames at a time as wait."""
        frames = self._layer.frames(self.channel_name)
        self._patience = Patience(PATIENCE)
        try:
            while True:
                frame: bytes | None = await frames.get()
                async with self._turn:
                    while frame is not None:
                        message = self._layer.deserialize(frame)
                        await getattr(self, get_handler_name(message))(message)
                        frame = None if frames.empty() else frames.get_nowait()
        except asyncio.CancelledError:
            if not self._patience.lost:
                raise
            await self._refuse_slow()
        finally:
            self._patience.close()

    async def connect(self) -> None:
        """Only the owner joins, and before the snapshot is read: what happens between the two arrives as an event."""
        await self.accept()
        await self._read(self._thread)
        await self.channel_layer.group_add(group_name(self.thread_id), self.channel_name)
        await self.send_snapshot()
        # Sockets that opened in one moment, as after a deploy, are not all looked at again in one moment.
        self._checked_at -= uniform(0, CHECK_EVERY)  # noqa: S311 (not a secret)

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
        await self._say_whether_live()

    async def send(self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False) -> None:  # type: ignore[override]  # noqa: FBT001, FBT002
        """Say one frame; a client that does not take it in time may connect again when it can."""
        try:
            async with asyncio.timeout(PATIENCE):
                await super().send(text_data, bytes_data, close)
        except TimeoutError:
            await self._refuse_slow()

    async def websocket_disconnect(self, message: Any) -> None:
        """The client has gone."""
        raise StopConsumer

    async def thread_event(self, message: dict[str, Any]) -> None:
        """Relay a frame; nothing else happens as often."""
        if time.monotonic() - self._checked_at > CHECK_EVERY:
            await self._read(self._thread)
        self._patience.begin()
        await self.base_send({"type": "websocket.send", "text": message["text"]})  # type: ignore[arg-type]  # of another protocol
        self._patience.end()

    async def thread_resync(self, _message: dict[str, Any]) -> None:
        """Frames for this socket were dropped, or did not arrive: say at once what they would have said."""
        await self.send_snapshot()

    async def thread_lost(self, _message: dict[str, Any]) -> None:
        """What is said in the thread does not arrive here any more; a resync follows when it does again."""
        await self._say_whether_live()

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

    async def _refuse_slow(self) -> NoReturn:
        await self.refuse(TRY_AGAIN, "The connection is too slow for what is said here. Connect again.")

    async def _leave(self) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(group_name(self.thread_id), self.channel_name)

    async def _say_whether_live(self) -> None:
        """Say it when it has changed; a socket that opens counts as live."""
        live = self._layer.hears(group_name(self.thread_id))
        if live != self._live:
            self._live = live
            await self.send(text_data=encode(ThreadLive(live=live)))

    async def _read(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a function finds in the database; who may not see it (or no longer) is refused."""

        def find() -> T:
            with DATABASE.trying():
                return read(*args, **kwargs)

        try:
            found = await database_sync_to_async(find, thread_sensitive=False, executor=READERS)()
        except (*database.AWAY, NotTried):
            await self.refuse(TRY_AGAIN, "The database does not answer at the moment. Connect again in a few seconds.")
        except PermissionDenied:
            await self.refuse(SIGN_IN, "Sign in, then connect again.")
        except Thread.DoesNotExist:
            await self.refuse(NO_THREAD, "There is no such thread. Open another one.")
        self._checked_at = time.monotonic()
        return found

    def _snapshot(self, run_id: UUID | None) -> str:
        thread = self._thread()
        snapshot = brief_snapshot(thread) if run_id is None else thread_snapshot(thread, run_id)
        return encode(snapshot)

    def _thread(self) -> Thread:
        return Thread.objects.owned_by(self._person()).get(pk=self.thread_id)

    def _person(self) -> User:
        """Who is signed in now: a socket lives longer than a request, and its session may have ended meanwhile.

        Raises:
            PermissionDenied: signed out, deactivated, or the password was changed elsewhere.
        """
        key = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        session = import_module(settings.SESSION_ENGINE).SessionStore(key)
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
