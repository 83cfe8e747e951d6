"""A database connection is given back once an answer is made, not once it is read."""

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]


def give_back(get_response: GetResponse) -> GetResponse:
    """Middleware: Django itself waits until the client has read everything.

    A process has few connections; some clients that ask for much and do not read it would have them all.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            return get_response(request)
        finally:
            if not connection.in_atomic_block:  # which a request never leaves behind; a test has one around it
                connection.close()

    return answer
