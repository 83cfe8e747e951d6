"""In which language somebody is answered."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from chatproject.errors import unavailable
from threads import database
from threads.preferences import preferences_in

FOR_PROGRAMS = ("/healthz", "/readyz", "/api/")
"""Addresses that answer without a database, or in the language that each request asks for."""


class LanguageOfThePerson:
    """Middleware: who is signed in reads the chosen language; everybody else the one that the browser asks for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Stand by."""
        return self._get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        """The database is asked only for somebody who may be signed in; when it is away, there is no page either."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or request.path.startswith(FOR_PROGRAMS):
            return None
        try:
            language = preferences_in(request).language
        except database.AWAY as error:
            return unavailable(request, error)
        if language:
            translation.activate(language)
            request.LANGUAGE_CODE = language
        return None
