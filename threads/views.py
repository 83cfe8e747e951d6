"""The HTML door of the conversation: rename and delete. The pages of a thread know its runs and stand in ``runs``."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from threads import actions
from threads.models import Thread


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def rename_thread(request: HttpRequest, thread_id: UUID) -> HttpResponse:
    """Ask for another title, and take it."""
    thread = get_object_or_404(Thread.objects.owned_by(request.user), pk=thread_id)
    if request.method == "GET":
        return render(request, "threads/rename.html", {"thread": thread, "title": thread.title})
    title = request.POST.get("title", "")
    try:
        actions.rename_thread(thread, title)
    except ValidationError as refusal:
        context = {"thread": thread, "title": title, "sentence": " ".join(refusal.messages)}
        return render(request, "threads/rename.html", context, status=400)
    return _back(request, reverse("thread", args=[thread_id]))


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def delete_thread(request: HttpRequest, thread_id: UUID) -> HttpResponse:
    """Ask whether it is meant, and delete."""
    thread = get_object_or_404(Thread.objects.owned_by(request.user), pk=thread_id)
    if request.method == "GET":
        return render(request, "threads/delete.html", {"thread": thread})
    actions.delete_thread(thread)
    return _back(request, reverse("threads"))


def _back(request: HttpRequest, default: str) -> HttpResponse:
    """To the page of ours that the person came from."""
    path = request.POST.get("next", "")
    ours = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return HttpResponseRedirect(path if ours else default)
