"""Who may come in: sign-in, sign-out, sign-up, and the one-time link for the owner of a fresh copy."""

from itertools import count
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import base36_to_int
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

LINK_SECONDS = 3600


class SignInTokens(PasswordResetTokenGenerator):
    """Tokens that any sign-in of their person ends, and an hour."""

    key_salt = "threads.accounts.SignInTokens"

    def check_token(self, user: Any, token: str | None) -> bool:
        """Whether the token is of this person, unused and fresh."""
        return bool(token and super().check_token(user, token) and self._age(token) <= LINK_SECONDS)

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        # Django's own value drops the microseconds, so that two sign-ins of one second would look like one.
        return f"{user.pk} {user.password} {user.last_login} {timestamp}"

    def _age(self, token: str) -> int:
        return self._num_seconds(self._now()) - base36_to_int(token.partition("-")[0])


tokens = SignInTokens()


class People(ModelBackend):
    """Whoever is signed in comes with what they prefer: every page needs both."""

    def get_user(self, user_id: int) -> User | None:
        """Read in one query."""
        user = User.objects.select_related("preferences").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None


def owner() -> User:
    """The first administrator; made, without a password, when there is none."""
    administrators = User.objects.filter(is_superuser=True, is_active=True)
    return administrators.order_by("pk").first() or User.objects.create_superuser(_free_name("owner"))


def link_path(user: User) -> str:
    """The path of a link that signs this person in once."""
    return reverse("sign-in-link", args=[user.pk, tokens.make_token(user)])


class SignIn(LoginView):
    """The sign-in page; it offers sign-up when that is switched on."""

    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Tell the template whether to offer sign-up."""
        return {**super().get_context_data(**kwargs), "may_sign_up": settings.SIGN_UP}


@require_GET
@never_cache
def sign_in_with_link(request: HttpRequest, user_id: int, token: str) -> HttpResponse:
    """Sign in by the printed link, once. A browser that only looks ahead does not use it up."""
    if "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")):
        return HttpResponse(status=503)
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not tokens.check_token(user, token) or not _is_first_use(user):
        return render(request, "registration/link_invalid.html", status=403)
    login(request, user)
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """A stranger makes an account, where that is allowed."""
    if not settings.SIGN_UP:
        raise Http404
    form: UserCreationForm[User] = UserCreationForm(request.POST or None)
    if form.is_valid():
        login(request, form.save())
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "registration/sign_up.html", {"form": form})


def _free_name(name: str) -> str:
    candidates = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(candidate for candidate in candidates if not User.objects.filter(username=candidate).exists())


def _is_first_use(user: User) -> bool:
    """Of two requests with the same token at the same time, one changes the row."""
    return User.objects.filter(pk=user.pk, last_login=user.last_login).update(last_login=timezone.now()) == 1


urlpatterns = [
    path("sign-in/", SignIn.as_view(), name="sign-in"),
    path("sign-in/<int:user_id>/<str:token>/", sign_in_with_link, name="sign-in-link"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("sign-up/", sign_up, name="sign-up"),
]
