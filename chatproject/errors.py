"""What is answered when no view can: the database is away, or there is a mistake of ours."""

import sys
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader

from runs.errors import BROKEN, NO_DATABASE, RETRY_AFTER, database_away
from threads import database


class DatabaseAway:
    """Middleware: a page that finds no database says so, and when to come back. The API's views do that themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Stand by."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Anything else is none of our business."""
        return unavailable(request, error) if isinstance(error, database.AWAY) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's ``handler500``; its log has the traceback."""
    error = sys.exc_info()[1]
    if isinstance(error, database.AWAY):  # it was noticed outside of a view
        return unavailable(request, error)
    return _answer(request, 500, "internal", str(BROKEN))


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say that the database is away and when to come back."""
    database_away(error)
    answer = _answer(request, 503, "unavailable", str(NO_DATABASE))
    answer["Retry-After"] = RETRY_AFTER
    return answer


def _answer(request: HttpRequest, status: int, code: str, sentence: str) -> HttpResponse:
    """In the form that whoever asked can use. No template here may need the database."""
    if request.path.startswith("/api/"):
        return JsonResponse({"error": {"code": code, "message": sentence}}, status=status)
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
    return HttpResponse(loader.get_template(f"{status}.html").render(), status=status)
