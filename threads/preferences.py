"""What a person prefers, where pages are made: their language, light or dark, the key that sends."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from threads.models import Preferences


def preferences_of(user: AbstractBaseUser | AnonymousUser) -> Preferences:
    """What this person chose, or what is so for everybody."""
    if user.pk is None:
        return Preferences()
    return getattr(user, "preferences", None) or Preferences(user_id=user.pk)


def of_the_person(request: HttpRequest) -> dict[str, Any]:
    """A context processor: ``preferences``, read only by a template that asks for them."""
    return {"preferences": preferences_in(request)}


def preferences_in(request: HttpRequest) -> Any:
    """Read once a request. Pages of errors may have come before anybody could say who asks."""
    if not hasattr(request, "preferences"):
        user = getattr(request, "user", None) or AnonymousUser()
        request.preferences = SimpleLazyObject(lambda: preferences_of(user))  # type: ignore[attr-defined]
    return request.preferences  # type: ignore[attr-defined]
