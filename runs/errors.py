"""Every error of the API as ``{"error": {"code", "message"}}`` with one sentence that says what to do."""

import logging
from typing import Any

from django.core.exceptions import BadRequest, ObjectDoesNotExist, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as CannotBeStored
from django.http import Http404, UnreadablePostError
from django.utils.encoding import force_str
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from runs.actions import KeyReused, NoDraftYet, Refused, Superseded, ThreadBusy, TooFewDrafts
from threads import database

logger = logging.getLogger(__name__)

NO_DATABASE = gettext_lazy("The database does not answer. Try again in a few seconds.")
BROKEN = gettext_lazy("Something broke. The fault is ours and is in the log; try again.")
_NOT_FOUND = gettext_lazy("There is nothing here, or it is not yours. Check the address and its ids.")
_REFUSALS: list[tuple[tuple[type[Exception], ...], int, str, Any]] = [
    ((ThreadBusy,), 409, "thread_busy", ThreadBusy.message),
    ((KeyReused,), 409, "key_reused", KeyReused.message),
    ((Superseded,), 409, "superseded", Superseded.message),
    ((NoDraftYet,), 409, "no_draft_yet", NoDraftYet.message),
    ((TooFewDrafts,), 409, "too_few_drafts", TooFewDrafts.message),
    ((ObjectDoesNotExist, Http404), 404, "not_found", _NOT_FOUND),
    ((RequestDataTooBig,), 413, "too_large", gettext_lazy("The body is too large. Send a shorter one.")),
    (
        (SuspiciousOperation, BadRequest, UnreadablePostError),
        400,
        "parse_error",
        gettext_lazy("The body could not be read to its end. Send it again, as JSON."),
    ),
    (database.AWAY, 503, "unavailable", NO_DATABASE),
]
_SENTENCES = {
    "not_authenticated": gettext_lazy("Sign in, or send the header Authorization: Token with a token."),
    "authentication_failed": gettext_lazy("This token is not valid. Get one from /api/token/."),
    "permission_denied": gettext_lazy("The request is not allowed. Send the header X-CSRFToken, or use a token."),
    "method_not_allowed": gettext_lazy("This address does not know this method. The header Allow names those it does."),
    "unsupported_media_type": gettext_lazy("Send JSON with the header Content-Type: application/json."),
    "not_acceptable": gettext_lazy("Only JSON is answered here. Send the header Accept: application/json."),
}
"""What to do, where the framework only says what is wrong."""
RETRY_AFTER = "5"


def explain(error: Exception, context: dict[str, Any]) -> Response | None:
    """What the API answers to an error; ``None`` for a mistake of ours, which ends in ``chatproject.errors``."""
    if isinstance(error, CannotBeStored):
        return refusal(400, "invalid", " ".join(error.messages))
    if isinstance(error, Refused):
        return refusal(429, error.code, error.message, {"Retry-After": str(error.retry_after)})
    for kinds, status, code, sentence in _REFUSALS:
        if isinstance(error, kinds):
            if isinstance(error, database.AWAY):
                database_away(error)
            return refusal(status, code, sentence, {"Retry-After": RETRY_AFTER} if status == 503 else None)
    response = exception_handler(error, context)
    if response is not None and isinstance(error, exceptions.APIException):
        response.data = _body(error)
    return response


def database_away(error: Exception) -> None:
    """Say in the log why a request was refused."""
    logger.error("The database does not answer: %s: %s", type(error).__name__, error)


def refusal(status: int, code: str, sentence: Any, headers: dict[str, str] | None = None) -> Response:
    """An answer that says no."""
    return Response({"error": {"code": code, "message": _readable(sentence)}}, status=status, headers=headers)


def _body(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        return _by_field(error)
    code = error.default_code
    sentence = _NOT_FOUND if error.detail == exceptions.NotFound.default_detail else error.detail
    return {"error": {"code": code, "message": _readable(_SENTENCES.get(code, sentence))}}


def _by_field(error: exceptions.ValidationError) -> dict[str, Any]:
    """The first field's sentence in front, all of them by name."""
    details = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
    fields = {_readable(name): list(_sentences(detail)) for name, detail in details.items()}
    first, sentences = next(iter(fields.items()))
    if first == "non_field_errors":
        return {"error": {"code": "invalid", "message": sentences[0]}}
    message = _("Correct the field “%(field)s”. %(sentence)s") % {"field": first, "sentence": sentences[0]}
    return {"error": {"code": "invalid", "message": message, "fields": fields}}


def _sentences(detail: Any) -> list[str]:
    if isinstance(detail, dict):
        return [sentence for each in detail.values() for sentence in _sentences(each)]
    if isinstance(detail, list):
        return [sentence for each in detail for sentence in _sentences(each)]
    return [_readable(detail)]


def _readable(text: Any) -> str:
    """The text without half characters, which a client may have sent and no answer can hold."""
    return force_str(text).encode(errors="replace").decode()
