"""The bodies with which the vendors refuse."""

from typing import Any

BODY_CANARY = "vendor-body-canary"
"""Stands in every error of this server: no sentence for a person may hold it."""

_OPENAI = {
    "auth": ("invalid_request_error", "invalid_api_key"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "rate-limit": ("requests", "rate_limit_exceeded"),
    "overloaded": ("server_error", "overloaded"),
    "server": ("server_error", None),
    "not-found": ("invalid_request_error", "model_not_found"),
    "too-long": ("invalid_request_error", "context_length_exceeded"),
    "invalid": ("invalid_request_error", None),
    "unheard-of": ("quantum_error", "decoherence"),
}
_ANTHROPIC = {
    "auth": "authentication_error",
    "quota": "billing_error",
    "rate-limit": "rate_limit_error",
    "overloaded": "overloaded_error",
    "server": "api_error",
    "not-found": "not_found_error",
    "too-long": "request_too_large",
    "invalid": "invalid_request_error",
    "unheard-of": "quantum_error",
}
_OF_STATUS = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not-found",
    413: "too-long",
    429: "rate-limit",
    529: "overloaded",
}


def openai_error(kind: str, message: str = "It failed.") -> dict[str, Any]:
    """The body of an OpenAI error."""
    type_, code = _OPENAI[kind]
    return {"error": {"message": f"{message} {BODY_CANARY}", "type": type_, "param": None, "code": code}}


def anthropic_error(kind: str, message: str = "It failed.") -> dict[str, Any]:
    """The body of an Anthropic error."""
    error = {"type": _ANTHROPIC[kind], "message": f"{message} {BODY_CANARY}"}
    return {"type": "error", "error": error, "request_id": "req_1"}


def kind_of_status(status: int) -> str:
    """The kind of error that a vendor sends with this status."""
    return _OF_STATUS.get(status, "server" if status >= 500 else "invalid")
