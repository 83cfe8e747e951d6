"""What every HTML door needs: who is asking, by which way, and where to send them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme


class SignedIn(HttpRequest):
    """A request that ``login_required`` let through."""

    user: User


def posted(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Only POST does something; who comes by GET, say from a sign-in that stood between, is sent to the threads."""

    @wraps(view)
    def guarded(request: SignedIn, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs) if request.method == "POST" else redirect("threads")

    return guarded


def is_fetch(request: HttpRequest) -> bool:
    """Whether the page's script asks, which wants a piece of the page or one sentence."""
    return request.headers.get("X-Requested-With") == "fetch"


def done(request: HttpRequest, default: str) -> HttpResponse:
    """Nothing to show for a script; without it, back to the page of ours that the person came from."""
    return HttpResponse(status=204) if is_fetch(request) else back(request, default)


def refused(refusal: ValidationError) -> HttpResponse:
    """One sentence as plain text."""
    return HttpResponse(" ".join(refusal.messages), status=400, content_type="text/plain; charset=utf-8")


def back(request: HttpRequest, default: str) -> HttpResponse:
    """To the page of ours that the person came from."""
    return HttpResponseRedirect(ours(request.POST.get("next", ""), default))


def ours(path: str, default: str) -> str:
    """The path if it is one of ours, and no other address in disguise: browsers drop some control characters."""
    plain = path.startswith("/") and path.isprintable()
    return path if plain and url_has_allowed_host_and_scheme(path, allowed_hosts=None) else default
