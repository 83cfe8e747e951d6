"""The websocket of a thread: authorise, join, snapshot, relay. It understands no event."""

import json
from typing import Any, NoReturn, cast
from uuid import UUID

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet

from runs.snapshot import thread_snapshot
from threads.channel import group_name
from threads.models import Thread

SIGN_IN = 4401
NO_THREAD = 4404
BAD_TEXT = 1007
NOT_TEXT = 1003
NOT_UNDERSTOOD = 1008
UNKNOWN = "There is no such thread. Open another one."


class ThreadConsumer(AsyncWebsocketConsumer):
    """One viewer of one thread.

    A client may send one thing: ``{"type": "snapshot"}``, with ``"run": id`` to have only that run.
    """

    async def connect(self) -> None:
        """Only the owner joins, and before the snapshot is read: what happens between the two arrives as an event."""
        self.thread_id: UUID = self.scope["url_route"]["kwargs"]["thread_id"]
        user = self.scope["user"]
        await self.accept()
        if user is None or not user.is_authenticated:
            await self.refuse(SIGN_IN, "Sign in, then connect again.")
        self.owner = cast(AbstractBaseUser, user)
        if not await database_sync_to_async(self._mine().exists)():
            await self.refuse(NO_THREAD, UNKNOWN)
        await self.channel_layer.group_add(group_name(self.thread_id), self.channel_name)
        await self.send_snapshot()

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(group_name(self.thread_id), self.channel_name)

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
        """Send the thread as it stands; a thread that is not this owner's, or no more, closes the socket."""
        text = await database_sync_to_async(self._snapshot)(run_id)
        if text is None:
            await self.refuse(NO_THREAD, UNKNOWN)
        await self.send(text_data=text)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Relay events without the database housekeeping that channels does before every other message."""
        if message["type"] == "thread.event":
            await self.send(text_data=message["text"])
        else:
            await super().dispatch(message)

    async def thread_gone(self, message: dict[str, Any]) -> None:
        """The thread was deleted while it was being watched."""
        await self.refuse(NO_THREAD, "This thread was deleted. Open another one.")

    async def refuse(self, code: int, reason: str) -> NoReturn:
        """Close the socket for good: nothing that comes after it is heard, and nothing more is said."""
        await self.channel_layer.group_discard(group_name(self.thread_id), self.channel_name)
        await self.close(code, reason)
        raise StopConsumer

    def _mine(self) -> QuerySet[Thread]:
        return Thread.objects.owned_by(self.owner).filter(pk=self.thread_id)

    def _snapshot(self, run_id: UUID | None) -> str | None:
        thread = self._mine().first()
        return None if thread is None else json.dumps(thread_snapshot(thread, run_id).payload())


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
