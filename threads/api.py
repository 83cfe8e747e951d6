"""The JSON door of the conversation: threads and their messages."""

from typing import cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from threads.actions import (
    create_thread,
    delete_thread,
    pin_thread,
    rename_thread,
    restore_thread,
    revoke_share,
    share_thread,
    show_branch,
)
from threads.events import MessageView, ThreadView
from threads.inputs import Flag, Identifier, Strict, Text, checked
from threads.listing import WORDS_MAX_CHARS, search
from threads.models import Message, Share, Thread
from threads.openapi import one, page
from threads.pages import PAGE_PARAMETERS, paged
from threads.snapshot import message_view, thread_view


class ThreadDetails(ThreadView):
    """A thread with what a list of threads shows of it."""

    system_prompt: str
    pinned: bool
    shared: str | None
    """Where everybody who has the link may read it."""
    created_at: str
    updated_at: str


class NewThread(Strict):
    """What begins a thread."""

    title = Text(required=False)
    system_prompt = Text(required=False)


class Changes(Strict):
    """What of a thread can be changed."""

    title = Text(required=False)
    pinned = Flag(required=False, help_text="Whether it stands on top of the list.")
    tip = Identifier(
        required=False,
        help_text="A prompt of the thread: from now on the newest branch that leads through it is shown.",
    )


WORDS_PARAMETER = OpenApiParameter(
    "q", str, description="Only threads in which each of these words stands: in the title, a prompt or a final answer."
)


class ThreadsView(APIView):
    """Your threads."""

    @extend_schema(
        operation_id="list_threads",
        parameters=[WORDS_PARAMETER, *PAGE_PARAMETERS],
        responses={200: page(ThreadDetails)},
        tags=["threads"],
    )
    def get(self, request: Request) -> Response:
        """List your threads, the one in which something was said last first."""
        mine = search(_mine(request), request.query_params.get("q", "").replace("\x00", "")[:WORDS_MAX_CHARS])
        found = mine.order_by("-updated_at", "-pk")
        return paged(request, found, lambda threads: [thread_details(request, thread) for thread in threads])

    @extend_schema(
        operation_id="create_thread", request=NewThread, responses={201: one(ThreadDetails)}, tags=["threads"]
    )
    def post(self, request: Request) -> Response:
        """Begin a thread. Without a title it takes one from its first prompt."""
        thread = create_thread(caller(request), **checked(NewThread, request))
        return Response(thread_details(request, thread), status=201)


class OneThreadView(APIView):
    """One of your threads."""

    @extend_schema(operation_id="read_thread", responses={200: one(ThreadDetails)}, tags=["threads"])
    def get(self, request: Request, thread_id: UUID) -> Response:
        """Read a thread's own fields."""
        return Response(thread_details(request, _mine(request).get(pk=thread_id)))

    @extend_schema(operation_id="change_thread", request=Changes, responses={200: one(ThreadDetails)}, tags=["threads"])
    def patch(self, request: Request, thread_id: UUID) -> Response:
        """Give a thread another title, pin it, or show another of its branches."""
        thread = _mine(request).get(pk=thread_id)
        changes = checked(Changes, request)
        if not changes:
            raise ValidationError(_("There is nothing to change. Send title, pinned or tip."))
        with transaction.atomic():
            if "title" in changes:
                rename_thread(thread, changes["title"])
            if "pinned" in changes:
                pin_thread(thread, pinned=changes["pinned"])
            if "tip" in changes:
                show_branch(thread, changes["tip"])
        return Response(thread_details(request, thread))

    @extend_schema(operation_id="delete_thread", responses={204: None}, tags=["threads"])
    def delete(self, request: Request, thread_id: UUID) -> Response:
        """Delete a thread with all that was said in it, and stop what is under way. For a time it can be restored."""
        delete_thread(thread_of(request, thread_id))
        return Response(status=204)


class RestoreView(APIView):
    """The way back from a deletion."""

    @extend_schema(operation_id="restore_thread", request=None, responses={200: one(ThreadDetails)}, tags=["threads"])
    def post(self, request: Request, thread_id: UUID) -> Response:
        """Take back that a thread was deleted."""
        deleted = Thread.objects.deleted_by(caller(request)).select_related("share")
        return Response(thread_details(request, restore_thread(deleted.get(pk=thread_id))))


class ShareView(APIView):
    """The link under which everybody may read a thread."""

    @extend_schema(operation_id="share_thread", request=None, responses={200: one(ThreadDetails)}, tags=["threads"])
    def post(self, request: Request, thread_id: UUID) -> Response:
        """Make the link, or let it show the branch that is shown now, up to its last turn."""
        share_thread(thread_of(request, thread_id))
        return Response(thread_details(request, _mine(request).get(pk=thread_id)))

    @extend_schema(operation_id="revoke_share", responses={204: None}, tags=["threads"])
    def delete(self, request: Request, thread_id: UUID) -> Response:
        """Revoke the link. A later one will be another one."""
        revoke_share(thread_of(request, thread_id))
        return Response(status=204)


class MessagesView(APIView):
    """The turns of a thread."""

    @extend_schema(
        operation_id="list_messages", parameters=PAGE_PARAMETERS, responses={200: page(MessageView)}, tags=["threads"]
    )
    def get(self, request: Request, thread_id: UUID) -> Response:
        """List the prompts and final answers of a thread, oldest first, of all branches. Drafts stand in the runs."""
        turns = thread_of(request, thread_id).messages.exclude(kind=Message.Kind.DRAFT)
        return paged(request, turns, lambda messages: [message_view(message) for message in messages])


def caller(request: Request) -> AbstractBaseUser:
    """Who is asking; nobody comes this far without having signed in."""
    return cast(AbstractBaseUser, request.user)


def thread_of(request: Request, thread_id: UUID) -> Thread:
    """The caller's thread.

    Raises:
        Thread.DoesNotExist: there is none with this id, or it is somebody else's: nobody can tell which.
    """
    return Thread.objects.owned_by(caller(request)).get(pk=thread_id)


def _mine(request: Request) -> QuerySet[Thread]:
    return Thread.objects.owned_by(caller(request)).select_related("share")


def thread_details(request: Request, thread: Thread) -> ThreadDetails:
    """A thread as the API shows it."""
    try:
        shared = request.build_absolute_uri(reverse("shared", args=[thread.share.token]))
    except Share.DoesNotExist:
        shared = None
    return {
        **thread_view(thread),
        "system_prompt": thread.system_prompt,
        "pinned": thread.pinned_at is not None,
        "shared": shared,
        "created_at": thread.created_at.isoformat(),
        "updated_at": thread.updated_at.isoformat(),
    }
