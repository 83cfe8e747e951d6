"""Doors through which a thread leaves: files to keep, and the page that everybody with its link may read."""

import re
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from runs.export import as_json, as_markdown
from runs.models import RUN_ACTIVE
from runs.snapshot import snapshot_of
from runs.turns import turns_of
from threads.branches import Branches
from threads.doors import SignedIn
from threads.models import Share, Thread

TURNS_SHARED = 20
"""How many turns one page of a shared thread shows."""
NAME_MAX_CHARS = 60


@login_required
@never_cache
@require_safe
def export_json(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """All of a thread, for programs."""
    thread = _thread(request, thread_id)
    answer = JsonResponse(as_json(thread), json_dumps_params={"ensure_ascii": False, "indent": 2})
    return _attached(answer, thread, "json")


@login_required
@never_cache
@require_safe
def export_markdown(request: SignedIn, thread_id: UUID) -> HttpResponse:
    """The branch of a thread that is shown, for people."""
    thread = _thread(request, thread_id)
    return _attached(HttpResponse(as_markdown(thread), content_type="text/markdown; charset=utf-8"), thread, "md")


@never_cache
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """A thread as everybody may read it who has its link: what has ended, without ids, costs and causes."""
    shares = Share.objects.select_related("thread").filter(thread__deleted_at=None, thread__owner__is_active=True)
    share = get_object_or_404(shares, token=token)
    thread, branches = share.thread, Branches.of(share.thread)
    pages = Paginator(branches.up_to(share.tip_id), TURNS_SHARED)
    page = pages.get_page(request.GET.get("page"))
    turns = [
        turn
        for turn in turns_of(snapshot_of(thread, list(page.object_list)), branches)
        if turn.run["status"] not in RUN_ACTIVE
    ]
    context: dict[str, Any] = {"title": thread.title, "turns": turns, "page": page}
    answer = render(request, "runs/shared.html", context)
    answer["X-Robots-Tag"] = "noindex, nofollow"
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def _thread(request: SignedIn, thread_id: UUID) -> Thread:
    return get_object_or_404(Thread.objects.owned_by(request.user), pk=thread_id)


def _attached(answer: HttpResponse, thread: Thread, ending: str) -> HttpResponse:
    name = re.sub(r"[^\w-]+", "_", thread.title[:NAME_MAX_CHARS]).strip("_") or "thread"
    answer["Content-Disposition"] = content_disposition_header(True, f"{name}.{ending}")
    return answer
