"""The JSON door of the conversation: threads and their messages."""

from typing import cast
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from threads.actions import create_thread, delete_thread, rename_thread
from threads.events import MessageView, ThreadView
from threads.inputs import Strict, Text, checked
from threads.models import Message, Thread
from threads.openapi import one, page
from threads.pages import PAGE_PARAMETERS, paged
from threads.snapshot import message_view, thread_view


class ThreadDetails(ThreadView):
    """A thread with what a list of threads shows of it."""

    system_prompt: str
    created_at: str
    updated_at: str


class NewThread(Strict):
    """What begins a thread."""

    title = Text(required=False)
    system_prompt = Text(required=False)


class NewTitle(Strict):
    """What a thread can be changed to."""

    title = Text()


class ThreadsView(APIView):
    """Your threads."""

    @extend_schema(
        operation_id="list_threads", parameters=PAGE_PARAMETERS, responses={200: page(ThreadDetails)}, tags=["threads"]
    )
    def get(self, request: Request) -> Response:
        """List your threads, the one in which something was said last first."""
        mine = Thread.objects.owned_by(caller(request)).order_by("-updated_at", "-pk")
        return paged(request, mine, lambda threads: [thread_details(thread) for thread in threads])

    @extend_schema(
        operation_id="create_thread", request=NewThread, responses={201: one(ThreadDetails)}, tags=["threads"]
    )
    def post(self, request: Request) -> Response:
        """Begin a thread. Without a title it takes one from its first prompt."""
        thread = create_thread(caller(request), **checked(NewThread, request))
        return Response(thread_details(thread), status=201)


class OneThreadView(APIView):
    """One of your threads."""

    @extend_schema(operation_id="read_thread", responses={200: one(ThreadDetails)}, tags=["threads"])
    def get(self, request: Request, thread_id: UUID) -> Response:
        """Read a thread's own fields."""
        return Response(thread_details(thread_of(request, thread_id)))

    @extend_schema(
        operation_id="rename_thread", request=NewTitle, responses={200: one(ThreadDetails)}, tags=["threads"]
    )
    def patch(self, request: Request, thread_id: UUID) -> Response:
        """Give a thread another title."""
        thread = thread_of(request, thread_id)
        return Response(thread_details(rename_thread(thread, **checked(NewTitle, request))))

    @extend_schema(operation_id="delete_thread", responses={204: None}, tags=["threads"])
    def delete(self, request: Request, thread_id: UUID) -> Response:
        """Delete a thread with all that was said in it."""
        delete_thread(thread_of(request, thread_id))
        return Response(status=204)


class MessagesView(APIView):
    """The turns of a thread."""

    @extend_schema(
        operation_id="list_messages", parameters=PAGE_PARAMETERS, responses={200: page(MessageView)}, tags=["threads"]
    )
    def get(self, request: Request, thread_id: UUID) -> Response:
        """List the prompts and final answers of a thread, oldest first. Drafts stand in the runs."""
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


def thread_details(thread: Thread) -> ThreadDetails:
    """A thread as the API shows it."""
    return {
        **thread_view(thread),
        "system_prompt": thread.system_prompt,
        "created_at": thread.created_at.isoformat(),
        "updated_at": thread.updated_at.isoformat(),
    }
