"""The HTML door of the runs: the pages of a thread, and what its composer and buttons send.

A page with its script marks its requests (``X-Requested-With: fetch``) and is answered with the piece of the page that
changed, or with one sentence as plain text; without the script the same addresses redirect or show the page again.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from runs.actions import KeyReused, Superseded, ThreadBusy, request_cancel
from runs.choices import picker, remembered
from runs.forms import Question
from runs.models import MultiModelRun
from runs.orchestration import retry_run, start_multi_model_generation
from runs.snapshot import thread_snapshot
from runs.turns import Turn, turns_of
from threads.actions import create_thread
from threads.models import Thread

THREADS_LISTED = 100
"""How many threads the sidebar shows before somebody asks for all."""


class SignedIn(HttpRequest):
    """A request that ``login_required`` let through."""

    user: User


def posted(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Only POST does something; who comes by GET, say from a sign-in that stood between, is sent to the threads."""

    @wraps(view)
    def guarded(request: SignedIn, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs) if request.method == "POST" else redirect("threads")

    return guarded


@login_required
@never_cache
@require_safe
def new_thread(request: SignedIn) -> HttpResponse:
    """An empty page that teaches and asks."""
    return _page(request, None)


@login_required
@never_cache
@require_safe
def thread_page(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """The newest part of a conversation, or what stands before the run that ``before`` names."""
    thread = _thread(request, thread_id)
    if "before" in request.GET:
        return _earlier_page(request, thread, request.GET["before"])
    return _page(request, thread)


@login_required
@never_cache
@require_safe
def turn(request: SignedIn, run_id: UUID) -> HttpResponse:
    """One turn of a conversation, for a page that does not have it yet or whose wording of it is old."""
    return _turn(request, _run(request, run_id))


@login_required
@posted
def start_thread(request: SignedIn) -> HttpResponse:
    """The first prompt of a new thread."""
    question = Question.sent(request.POST)
    try:
        run = _start_thread(request, question)
    except (ValidationError, ThreadBusy, KeyReused) as refusal:
        return _refuse(request, None, question, refusal)
    where = reverse("thread", args=[run.thread_id])
    return HttpResponse(status=202, headers={"Location": where}) if _is_fetch(request) else redirect(where)


@login_required
@posted
def start_run(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """The next prompt of a thread."""
    thread = _thread(request, thread_id)
    question = Question.sent(request.POST)
    try:
        run = _start(request, thread, question)
    except (ValidationError, ThreadBusy, KeyReused) as refusal:
        return _refuse(request, thread, question, refusal)
    return _turn(request, run, status=202) if _is_fetch(request) else redirect("thread", thread_id)


@login_required
@posted
def stop_run(request: SignedIn, run_id: UUID) -> HttpResponse:
    """Stop a run; what has come is kept."""
    run = _run(request, run_id)
    request_cancel(run.pk)
    return HttpResponse(status=204) if _is_fetch(request) else redirect("thread", run.thread_id)


@login_required
@posted
def try_again(request: SignedIn, run_id: UUID) -> HttpResponse:
    """Begin a failed or stopped run again; drafts that are whole are kept."""
    run = _run(request, run_id)
    try:
        retry_run(run.pk)
    except (ThreadBusy, Superseded) as refusal:
        return _refuse(request, run.thread, None, refusal)
    return HttpResponse(status=204) if _is_fetch(request) else redirect("thread", run.thread_id)


def _start_thread(request: SignedIn, question: Question) -> MultiModelRun:
    """A new thread with its first run, or neither; the thread that the same key made before."""
    earlier = _asked_before(request, question)
    if earlier is None:
        try:
            with transaction.atomic():
                return _start(request, create_thread(request.user), question)
        except KeyReused:  # a double click: the first of the two committed while this one was on its way
            earlier = _asked_before(request, question)
            if earlier is None:
                raise
    return _start(request, earlier.thread, question)


def _asked_before(request: SignedIn, question: Question) -> MultiModelRun | None:
    runs = MultiModelRun.objects.filter(owner=request.user).exclude(idempotency_key=None).select_related("thread")
    return runs.filter(idempotency_key=question.idempotency_key).first()


def _start(request: SignedIn, thread: Thread, question: Question) -> MultiModelRun:
    try:
        run, _new = start_multi_model_generation(
            request.user,
            thread,
            question.prompt,
            master=question.choice.master,
            secondaries=question.choice.secondaries,
            idempotency_key=question.idempotency_key,
        )
    except Thread.DoesNotExist as gone:  # deleted while this request was on its way
        raise Http404 from gone
    return run


def _thread(request: SignedIn, thread_id: UUID) -> Thread:
    return get_object_or_404(Thread.objects.owned_by(request.user), pk=thread_id)


def _run(request: SignedIn, run_id: UUID) -> MultiModelRun:
    runs = MultiModelRun.objects.filter(thread__in=Thread.objects.owned_by(request.user)).select_related("thread")
    return get_object_or_404(runs, pk=run_id)


def _refuse(request: SignedIn, thread: Thread | None, question: Question | None, refusal: Exception) -> HttpResponse:
    """One sentence beside the composer, which keeps what was typed."""
    if isinstance(refusal, ValidationError):
        status, sentence = 400, " ".join(refusal.messages)
    else:
        status, sentence = 409, str(getattr(refusal, "message", ""))
    if _is_fetch(request):
        return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
    return _page(request, thread, question, sentence, status)


def _turn(request: SignedIn, run: MultiModelRun, status: int = 200) -> HttpResponse:
    turns = turns_of(thread_snapshot(run.thread, run.pk), _newest(run.thread))
    if not turns:  # deleted while this request was on its way
        raise Http404
    return render(request, "runs/turn.html", {"turn": turns[0]}, status=status)


def _page(
    request: SignedIn, thread: Thread | None, question: Question | None = None, sentence: str = "", status: int = 200
) -> HttpResponse:
    turns = turns_of(thread_snapshot(thread), _newest(thread)) if thread else []
    choice = question.choice if question and question.choice.master else remembered(request.user, thread)
    context = {
        "active_run": next((shown.run["id"] for shown in turns if shown.active), ""),
        "picker": picker(choice),
        "prompt": question.prompt if question else "",
        "sentence": sentence,
        "idempotency_key": uuid4(),
        "prompt_max_chars": settings.PROMPT_MAX_CHARS,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
    }
    return render(request, "runs/page.html", _around(request, thread, turns) | context, status=status)


def _earlier_page(request: SignedIn, thread: Thread, before: str) -> HttpResponse:
    """Turns that have ended long ago: nothing to follow, and nothing to ask from here."""
    try:
        later = thread.runs.select_related("prompt").get(pk=before)
    except (MultiModelRun.DoesNotExist, ValidationError) as unknown:
        raise Http404 from unknown
    turns = turns_of(thread_snapshot(thread, before=later), _newest(thread))
    return render(request, "runs/page.html", _around(request, thread, turns) | {"earlier_page": True})


def _around(request: SignedIn, thread: Thread | None, turns: list[Turn]) -> dict[str, Any]:
    """What every page shows: the turns, the way to those before them, and the list of threads."""
    threads = Thread.objects.owned_by(request.user).order_by("-updated_at")
    show_all = "all" in request.GET
    listed = list(threads if show_all else threads[: THREADS_LISTED + 1])
    return {
        "thread": thread,
        "threads": listed if show_all else listed[:THREADS_LISTED],
        "more_threads": not show_all and len(listed) > THREADS_LISTED,
        "turns": turns,
        "earlier": turns[0].run["id"] if thread and turns and turns[0].run["id"] != str(_oldest(thread)) else "",
        "now": timezone.now(),
    }


def _newest(thread: Thread) -> UUID | None:
    """The run of the last prompt."""
    return thread.runs.order_by("-prompt__position").values_list("pk", flat=True).first()


def _oldest(thread: Thread) -> UUID | None:
    """The run of the first prompt."""
    return thread.runs.order_by("prompt__position").values_list("pk", flat=True).first()


def _is_fetch(request: SignedIn) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"
