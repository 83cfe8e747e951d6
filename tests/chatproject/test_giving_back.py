"""Who does not read an answer keeps nobody from the database."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse

from chatproject.giving_back import give_back

pytestmark = pytest.mark.django_db(transaction=True)


def count(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(User.objects.count()))


def fail(_request: HttpRequest) -> HttpResponse:
    User.objects.count()
    raise ZeroDivisionError


@pytest.mark.parametrize("view", [count, fail])
def test_a_connection_is_given_back_with_the_answer(view: Callable[[HttpRequest], HttpResponse]) -> None:
    connection.ensure_connection()
    try:
        give_back(view)(HttpRequest())
    except ZeroDivisionError:
        assert view is fail
    assert connection.connection is None


def test_it_stands_around_everything_that_asks_the_database() -> None:
    place = settings.MIDDLEWARE.index("chatproject.giving_back.give_back")
    assert place < settings.MIDDLEWARE.index("django.contrib.sessions.middleware.SessionMiddleware")
