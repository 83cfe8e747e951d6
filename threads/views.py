"""The HTML door of the conversation: its list, and what can be done with one. The pages of a thread stand in ``runs``.

A page with its script marks its requests and is answered with nothing, with a piece of the page, or with one sentence;
without the script the same addresses show a page that asks, and redirect.
"""

from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from threads import actions
from threads.doors import SignedIn, done, is_fetch, ours, posted, refused
from threads.listing import Listing, list_threads
from threads.models import Preferences, Share, Thread


@login_required
@never_cache
@require_safe
def thread_list(request: SignedIn) -> HttpResponse:
    """One part of the list, for a page that has the part before it or looks for words."""
    return render(request, "threads/rows.html", {"listing": listing_of(request)})


def listing_of(request: SignedIn) -> Listing:
    """The part of the list that the address asks for: ``q`` are words, ``older`` is the thread before it."""
    try:
        older = UUID(request.GET["older"]) if request.GET.get("older") else None
    except ValueError as unknown:
        raise Http404 from unknown
    return list_threads(Thread.objects.owned_by(request.user), request.GET.get("q", ""), older)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def rename_thread(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """Ask for another title, and take it."""
    thread = _thread(request, thread_id)
    if request.method == "GET":
        return render(request, "threads/rename.html", {"thread": thread, "title": thread.title})
    title = request.POST.get("title", "")
    try:
        actions.rename_thread(thread, title)
    except ValidationError as refusal:
        if is_fetch(request):
            return refused(refusal)
        context = {"thread": thread, "title": title, "sentence": " ".join(refusal.messages)}
        return render(request, "threads/rename.html", context, status=400)
    return done(request, reverse("thread", args=[thread_id]))


@login_required
@posted
def pin_thread(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """Keep a thread on top of the list, or no longer."""
    try:
        actions.pin_thread(_thread(request, thread_id), pinned=request.POST.get("pinned") == "yes")
    except ValidationError as refusal:
        return refused(refusal)
    return done(request, reverse("thread", args=[thread_id]))


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def delete_thread(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """Ask whether it is meant, and delete. The page with the script does not ask: it offers to take it back."""
    thread = _thread(request, thread_id)
    if request.method == "GET":
        return render(request, "threads/delete.html", {"thread": thread})
    actions.delete_thread(thread)
    gone = f"{reverse('threads')}?deleted={thread_id}"
    return HttpResponse(status=204) if is_fetch(request) else HttpResponseRedirect(gone)


@login_required
@posted
def restore_thread(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """Take back that a thread was deleted."""
    actions.restore_thread(get_object_or_404(Thread.objects.deleted_by(request.user), pk=thread_id))
    return done(request, reverse("thread", args=[thread_id]))


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def share_thread(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """Show the link of a thread, and make it or let it show more."""
    thread = _thread(request, thread_id)
    sentence = ""
    if request.method == "POST":
        try:
            actions.share_thread(thread)
        except ValidationError as refusal:
            sentence = " ".join(refusal.messages)
    return _sharing(request, thread, sentence)


@login_required
@posted
def revoke_share(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """Let the link lead nowhere."""
    thread = _thread(request, thread_id)
    actions.revoke_share(thread)
    return _sharing(request, thread)


def _sharing(request: SignedIn, thread: Thread, sentence: str = "") -> HttpResponse:
    share = Share.objects.filter(thread=thread).first()
    context = {
        "thread": thread,
        "share": share,
        "link": request.build_absolute_uri(reverse("shared", args=[share.token])) if share else "",
        "behind": share is not None and share.tip_id != thread.tip_id,
        "sentence": sentence,
    }
    template = "threads/sharing.html" if is_fetch(request) else "threads/share.html"
    return render(request, template, context, status=400 if sentence else 200)


def _thread(request: SignedIn, thread_id: UUID) -> Thread:
    return get_object_or_404(Thread.objects.owned_by(request.user), pk=thread_id)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def settings_page(request: SignedIn) -> HttpResponse:
    """How a person wants the pages to be. What was saved shows at once, on this page too."""
    here = reverse("settings")
    back = ours(request.POST.get("next") or request.GET.get("next", ""), reverse("threads"))
    context = {
        "next": back,
        "themes": Preferences.Theme.choices,
        "send_keys": Preferences.SendKey.choices,
        "languages": settings.LANGUAGES,
        "saved": "saved" in request.GET,
    }
    if request.method == "GET":
        return render(request, "threads/settings.html", context)
    sent = {name: request.POST.get(name, "") for name in ("theme", "send_key", "language")}
    try:
        actions.save_preferences(request.user, **sent, single_keys="single_keys" in request.POST)
    except ValidationError as refusal:
        context["sentence"] = " ".join(refusal.messages)
        return render(request, "threads/settings.html", context, status=400)
    return HttpResponseRedirect(f"{here}?{urlencode({'saved': '', 'next': back})}")
