"""The HTML door of the runs: the pages of a thread, and what its composer and buttons send.

A page with its script marks its requests (``X-Requested-With: fetch``) and is answered with the piece of the page that
changed, or with one sentence as plain text; without the script the same addresses redirect or show the page again.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from runs import broker
from runs.actions import (
    KeyReused,
    NoDraftYet,
    Refused,
    Superseded,
    ThreadBusy,
    TooFewDrafts,
    give_feedback,
    request_cancel,
    telling_later,
    use,
)
from runs.choices import Asked, Choice, choice_of, council_choice, councils_of, last_asked, picker, remembered
from runs.estimates import estimate
from runs.events import Snapshot
from runs.forms import Question
from runs.models import RUN_ACTIVE, Council, Feedback, Generation, MultiModelRun
from runs.orchestration import (
    retry_generation,
    retry_run,
    rewrite,
    start_multi_model_generation,
    stop_generation,
    synthesize_now,
)
from runs.snapshot import branch_snapshot, thread_snapshot
from runs.texts import TEXTS
from runs.turns import Turn, turns_of
from threads.actions import create_thread, show_branch
from threads.branches import Branches
from threads.doors import SignedIn, is_fetch, posted
from threads.models import Message, Thread
from threads.views import listing_of

REFUSALS = (ValidationError, ThreadBusy, KeyReused, Superseded, NoDraftYet, TooFewDrafts, Refused)
"""What people are told in a sentence beside the composer."""
EXAMPLE_MAX_CHARS = 2000
"""How much of a prompt a link may bring along; it is not sent before somebody sends it."""


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
@never_cache
@require_safe
def estimate_page(request: SignedIn) -> HttpResponse:
    """What it will about cost and take to send what stands in the composer; only the prompt's length is told."""
    question = Question.sent(request.GET)
    choice = question.choice
    if not choice.master:
        return HttpResponse()
    choice = replace(choice, secondaries=choice.secondaries[: settings.MODELS_PER_RUN_MAX])
    thread = _thread(request, thread_id) if (thread_id := request.GET.get("thread")) else None
    chars = request.GET.get("chars", "")
    try:
        quorum = question.quorum
    except ValidationError as wrong:
        return render(request, "runs/estimate.html", {"wrong": wrong.messages[0]})
    told = estimate(
        request.user,
        thread,
        choice,
        int(chars) if re.fullmatch("[0-9]{1,9}", chars) else 0,
        quorum,
    )
    return render(request, "runs/estimate.html", {"told": told})


@login_required
@posted
def start_thread(request: SignedIn) -> HttpResponse:
    """The first prompt of a new thread."""
    question = Question.sent(request.POST)
    if question.instead_of:
        raise Http404  # there is no other prompt yet
    try:
        run = _start_thread(request, question)
    except REFUSALS as refusal:
        return _refuse(request, None, question, refusal)
    where = reverse("thread", args=[run.thread_id])
    return HttpResponse(status=202, headers={"Location": where}) if is_fetch(request) else redirect(where)


@login_required
@posted
def start_run(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """The next prompt of a thread, or another version of an earlier one."""
    thread = _thread(request, thread_id)
    question = Question.sent(request.POST)
    if question.instead_of:
        return _start_version(request, thread, question)
    try:
        run = _start(request, thread, question)
    except REFUSALS as refusal:
        return _refuse(request, thread, question, refusal)
    return _turn(request, run, status=202) if is_fetch(request) else redirect("thread", thread_id)


@login_required
@never_cache
@require_safe
def edit_prompt(request: SignedIn, run_id: UUID) -> HttpResponse:
    """Ask for another version of a prompt, on a page of its own."""
    run = _run(request, run_id)
    return render(request, "runs/edit.html", {"run": run, "text": run.prompt.content})


@login_required
@posted
def regenerate(request: SignedIn, run_id: UUID) -> HttpResponse:
    """Ask the same prompt again, as another version of it: the same models, or those that are picked now."""
    run = _run(request, run_id)
    sent = Question.sent(request.POST)
    choice = sent.choice if request.POST.get("models") == "picked" else choice_of(run)
    version = replace(sent, prompt=run.prompt.content, choice=choice, instead_of=str(run.prompt_id))
    return _start_version(request, run.thread, version)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def branch(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """The branch that is shown, for a page that shows another one; a POST chooses the one that ``prompt`` stands on."""
    thread = _thread(request, thread_id)
    if request.method == "POST":
        try:
            show_branch(thread, UUID(request.POST.get("prompt", "")))
        except (ValueError, Message.DoesNotExist) as unknown:
            raise Http404 from unknown
    return _branch(request, thread)


@login_required
@posted
def stop_run(request: SignedIn, run_id: UUID) -> HttpResponse:
    """Stop a run; what has come is kept."""
    run = _run(request, run_id)
    return _done(request, run, lambda: request_cancel(run.pk))


@login_required
@posted
def try_again(request: SignedIn, run_id: UUID) -> HttpResponse:
    """Begin a failed or stopped run again; drafts that are whole are kept."""
    run = _run(request, run_id)
    return _done(request, run, lambda: retry_run(run.pk))


@login_required
@posted
def synthesize(request: SignedIn, run_id: UUID) -> HttpResponse:
    """Begin the final answer with the drafts that are there."""
    run = _run(request, run_id)
    return _done(request, run, lambda: synthesize_now(run.pk))


@login_required
@posted
def stop_one(request: SignedIn, generation_id: UUID) -> HttpResponse:
    """Stop one model; what it has written is kept."""
    generation = _generation(request, generation_id)
    return _done(request, generation.run, lambda: stop_generation(generation))


@login_required
@posted
def try_one_again(request: SignedIn, generation_id: UUID) -> HttpResponse:
    """Ask one model anew, or another one in its place."""
    generation = _generation(request, generation_id)
    return _done(request, generation.run, lambda: retry_generation(generation, request.POST.get("model", "")))


@login_required
@posted
def write_again(request: SignedIn, run_id: UUID) -> HttpResponse:
    """Let another version of the final answer be written, by the same master or another one."""
    run = _run(request, run_id)
    return _done(request, run, lambda: rewrite(run.pk, request.POST.get("model", "")))


@login_required
@posted
def use_text(request: SignedIn, generation_id: UUID) -> HttpResponse:
    """Make a draft or an earlier version the final answer."""
    generation = _generation(request, generation_id)
    return _done(request, generation.run, lambda: use(generation.pk))


@login_required
@posted
def judge(request: SignedIn, generation_id: UUID) -> HttpResponse:
    """Keep what a person thinks of a text."""
    generation = _generation(request, generation_id)
    verdict = request.POST.get("verdict", "")
    return _done(request, generation.run, lambda: give_feedback(request.user, generation.pk, verdict))


def _done(request: SignedIn, run: MultiModelRun, verb: Callable[[], object]) -> HttpResponse:
    """Do one thing to a run; what comes of it is told over the socket."""
    try:
        verb()
    except REFUSALS as refusal:
        return _refuse(request, run.thread, None, refusal)
    except Thread.DoesNotExist as gone:  # deleted while this request was on its way
        raise Http404 from gone
    return HttpResponse(status=204) if is_fetch(request) else redirect("thread", run.thread_id)


def _start_version(request: SignedIn, thread: Thread, version: Question) -> HttpResponse:
    """Ask another version of a prompt, and show the branch that begins with it."""
    replaced = _replaced(thread, version.instead_of)
    if not version.choice.master:
        version = replace(version, choice=choice_of(replaced))
    try:
        _start(request, thread, version)
    except REFUSALS as refusal:
        if is_fetch(request):
            return _refuse(request, thread, None, refusal)
        status, sentence = _told(refusal)
        context = {"run": replaced, "text": version.prompt, "sentence": sentence}
        return render(request, "runs/edit.html", context, status=status)
    return _branch(request, _thread(request, thread.pk), status=202)


def _replaced(thread: Thread, prompt_id: str) -> MultiModelRun:
    try:
        return thread.runs.select_related("prompt").get(prompt=UUID(prompt_id))
    except (ValueError, MultiModelRun.DoesNotExist) as unknown:
        raise Http404 from unknown


def _branch(request: SignedIn, thread: Thread, status: int = 200) -> HttpResponse:
    """The branch that is shown, as a piece of the page."""
    if not is_fetch(request):
        return redirect("thread", thread.pk)
    return render(request, "runs/branch.html", _conversation(request, thread)[0], status=status)


def _start_thread(request: SignedIn, question: Question) -> MultiModelRun:
    """A new thread with its first run, or neither; the thread that the same key made before."""
    earlier = _asked_before(request, question)
    if earlier is None:
        broker.answers()  # a frozen one is found out here, and not while the transaction holds SQLite's only writer
        try:
            with telling_later(), transaction.atomic():
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
            quorum=question.quorum,
            idempotency_key=question.idempotency_key,
            instead_of=UUID(question.instead_of) if question.instead_of else None,
        )
    except Thread.DoesNotExist as gone:  # deleted while this request was on its way
        raise Http404 from gone
    return run


def _thread(request: SignedIn, thread_id: UUID | str) -> Thread:
    try:
        return get_object_or_404(Thread.objects.owned_by(request.user), pk=thread_id)
    except ValidationError as unknown:  # it is no id
        raise Http404 from unknown


def _proposed(request: SignedIn, last: Asked | None) -> Choice:
    """The council that the address names, else what is remembered."""
    if (named := request.GET.get("council")) is None:
        return remembered(request.user, last)
    try:
        council = Council.objects.filter(owner_id=request.user.pk).get(pk=named)
    except (Council.DoesNotExist, ValidationError) as unknown:
        raise Http404 from unknown
    return council_choice(council)


def _run(request: SignedIn, run_id: UUID) -> MultiModelRun:
    runs = MultiModelRun.objects.owned_by(request.user).select_related("thread", "prompt")
    return get_object_or_404(runs, pk=run_id)


def _generation(request: SignedIn, generation_id: UUID) -> Generation:
    generations = Generation.objects.owned_by(request.user).select_related("run__thread").defer("sent_prompt")
    return get_object_or_404(generations, pk=generation_id)


def _refuse(request: SignedIn, thread: Thread | None, question: Question | None, refusal: Exception) -> HttpResponse:
    """One sentence beside the composer, which keeps what was typed."""
    status, sentence = _told(refusal)
    if is_fetch(request):
        answer = HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
    else:
        answer = _page(request, thread, question, sentence, status)
    if isinstance(refusal, Refused):
        answer["Retry-After"] = str(refusal.retry_after)
    return answer


def _told(refusal: Exception) -> tuple[int, str]:
    """The status and the sentence of a refusal."""
    if isinstance(refusal, ValidationError):
        return 400, " ".join(refusal.messages)
    return 429 if isinstance(refusal, Refused) else 409, str(getattr(refusal, "message", ""))


def _turn(request: SignedIn, run: MultiModelRun, status: int = 200) -> HttpResponse:
    turns = _turns(request, thread_snapshot(run.thread, run.pk), Branches.of(run.thread))
    if not turns:  # deleted while this request was on its way
        raise Http404
    return render(request, "runs/turn.html", {"turn": turns[0], "thread": run.thread}, status=status)


def _turns(request: SignedIn, snapshot: Snapshot, branches: Branches) -> list[Turn]:
    """The turns of a snapshot with what this reader thinks of their texts."""
    given = Feedback.objects.filter(person=request.user, generation__run__in=[run["id"] for run in snapshot.runs])
    verdicts = {str(generation): verdict for generation, verdict in given.values_list("generation", "verdict")}
    return turns_of(snapshot, branches, verdicts)


def _page(
    request: SignedIn, thread: Thread | None, question: Question | None = None, sentence: str = "", status: int = 200
) -> HttpResponse:
    conversation, last = _conversation(request, thread) if thread else ({"active_run": ""}, None)
    choice = question.choice if question and question.choice.master else _proposed(request, last)
    context = {
        "picker": picker(choice),
        "councils": councils_of(request.user),
        "prompt": question.prompt if question else request.GET.get("prompt", "")[:EXAMPLE_MAX_CHARS],
        "sentence": sentence,
        "idempotency_key": uuid4(),
        "prompt_max_chars": settings.PROMPT_MAX_CHARS,
    }
    return render(request, "runs/page.html", _around(request, thread) | conversation | context, status=status)


def _earlier_page(request: SignedIn, thread: Thread, before: str) -> HttpResponse:
    """Turns that have ended long ago: nothing to follow, and nothing to ask from here."""
    try:
        later = thread.runs.get(pk=before)
    except (MultiModelRun.DoesNotExist, ValidationError) as unknown:
        raise Http404 from unknown
    branches = Branches.of(thread)
    turns = _turns(request, branch_snapshot(thread, branches, later.prompt_id), branches)
    context = {"turns": turns, "earlier": _earlier(turns), "earlier_page": True}
    return render(request, "runs/page.html", _around(request, thread) | context)


def _conversation(request: SignedIn, thread: Thread) -> tuple[dict[str, Any], Asked | None]:
    """The newest part of the branch that is shown, the way to what stands before it, and the run that is active.

    Also who was asked last, read after the turns: a run that ends between the two is told to the page by its last word.
    """
    branches = Branches.of(thread)
    turns = _turns(request, branch_snapshot(thread, branches), branches)
    last = last_asked(thread)
    active = last.run if last and last.run.status in RUN_ACTIVE else None
    conversation = {
        "thread": thread,
        "turns": turns,
        "earlier": _earlier(turns),
        "active_run": str(active.pk) if active else "",
        "elsewhere": active if active and active.prompt_id not in branches.shown else None,
    }
    return conversation, last


def _earlier(turns: list[Turn]) -> str:
    """The run before which turns stand that are not shown."""
    return turns[0].run["id"] if turns and turns[0].after else ""


def _around(request: SignedIn, thread: Thread | None) -> dict[str, Any]:
    """What every page shows: the list of threads, and what was deleted just now."""
    return {
        "thread": thread,
        "listing": listing_of(request),
        "deleted": _deleted(request),
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        "texts": TEXTS,
        "now": timezone.now(),
    }


def _deleted(request: SignedIn) -> Thread | None:
    """The thread that the address says was deleted just now, if it can still be had back."""
    try:
        return Thread.objects.deleted_by(request.user).filter(pk=UUID(request.GET.get("deleted", ""))).first()
    except ValueError:
        return None
