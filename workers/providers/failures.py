"""The sentences in which a provider's failure is told to a person, and what a vendor's own words for it mean.

A vendor's body is read here to find the code, and never repeated: it may hold the key, the prompt or a stack trace.
"""

from collections.abc import Mapping

from workers.providers.base import ErrorCode, ProviderError

_SENTENCES = {
    ErrorCode.AUTH: "{name} did not accept the key. Check the key of {name} in the settings and restart.",
    ErrorCode.QUOTA: "The account at {name} has no credit left. Check its plan and billing, or choose another model.",
    ErrorCode.RATE_LIMITED: "{name} gets more requests from this account than it allows. Wait a little and try again.",
    ErrorCode.OVERLOADED: "{name} is overloaded at the moment. Try again in a minute, or choose another model.",
    ErrorCode.UNAVAILABLE: "{name} has trouble of its own. Try again in a minute, or choose another model.",
    ErrorCode.CONNECTION: "{name} could not be reached. Check the network and the address of {name}, then try again.",
    ErrorCode.PROTOCOL: "{name} sent something that is not an answer. Try again; if it stays so, check its address.",
    ErrorCode.TIMEOUT: "{name} took too long. Try again, or choose another model.",
    ErrorCode.TOO_SLOW: "{name} did not come to an end in time. Ask for something shorter, or choose a faster model.",
    ErrorCode.NOT_FOUND: "{name} does not know this model. Check the model's name and the address of {name}.",
    ErrorCode.TOO_LONG: "This conversation is too long for this model of {name}. Shorten it or start a new thread.",
    ErrorCode.REJECTED: "{name} turned this request down as invalid. Choose another model.",
}

_OF_STATUS = {
    401: ErrorCode.AUTH,
    402: ErrorCode.QUOTA,
    403: ErrorCode.AUTH,
    404: ErrorCode.NOT_FOUND,
    408: ErrorCode.UNAVAILABLE,
    409: ErrorCode.UNAVAILABLE,
    413: ErrorCode.TOO_LONG,
    429: ErrorCode.RATE_LIMITED,
    529: ErrorCode.OVERLOADED,
}

_TELLING_WORDS = {
    "insufficient_quota": ErrorCode.QUOTA,
    "billing_error": ErrorCode.QUOTA,
    "billing_not_active": ErrorCode.QUOTA,
    "billing_hard_limit_reached": ErrorCode.QUOTA,
    "context_length_exceeded": ErrorCode.TOO_LONG,
    "exceed_context_size_error": ErrorCode.TOO_LONG,
    "string_above_max_length": ErrorCode.TOO_LONG,
    "request_too_large": ErrorCode.TOO_LONG,
    "model_not_found": ErrorCode.NOT_FOUND,
    "invalid_api_key": ErrorCode.AUTH,
    "rate_limit_exceeded": ErrorCode.RATE_LIMITED,
    "overloaded": ErrorCode.OVERLOADED,
    "overloaded_error": ErrorCode.OVERLOADED,
    "slow_down": ErrorCode.OVERLOADED,
}
"""What says more than the status that comes with it."""

_PLAIN_WORDS = {
    "authentication_error": ErrorCode.AUTH,
    "permission_error": ErrorCode.AUTH,
    "rate_limit_error": ErrorCode.RATE_LIMITED,
    "not_found_error": ErrorCode.NOT_FOUND,
    "invalid_request_error": ErrorCode.REJECTED,
}
"""What only repeats a status, in events that have none."""

_PHRASES = {
    "credit balance": ErrorCode.QUOTA,
    "context length": ErrorCode.TOO_LONG,
    "context window": ErrorCode.TOO_LONG,
    "context limit": ErrorCode.TOO_LONG,
    "context size": ErrorCode.TOO_LONG,
    "prompt is too long": ErrorCode.TOO_LONG,
}
"""What some vendors say only in prose, within an error that is otherwise a plain 400."""


def failure(code: ErrorCode, name: str, *, retry_after: float | None = None) -> ProviderError:
    """The failure of this provider, in the usual sentence."""
    return ProviderError(code, _SENTENCES[code].format(name=name), retry_after=retry_after)


def protocol_failure(name: str, what: str) -> ProviderError:
    """A provider said something that is no answer; ``what`` ends the sentence that begins with its name."""
    return ProviderError(ErrorCode.PROTOCOL, f"{name} {what} Try again; if it stays so, check its address.")


def code_of_refusal(status: int, body: object) -> ErrorCode:
    """What an HTTP error status and the body that came with it mean."""
    error = _error_of(body)
    if code := _telling(error):
        return code
    if status < 400:
        return ErrorCode.PROTOCOL
    by_class = ErrorCode.UNAVAILABLE if status >= 500 else _by_phrase(error) or ErrorCode.REJECTED
    return _OF_STATUS.get(status, by_class)


def code_of_error(body: object) -> ErrorCode:
    """What an error within a stream, or in a body that came as a success, means."""
    error = _error_of(body)
    status = error.get("code")
    if isinstance(status, int) and 400 <= status < 600:
        return code_of_refusal(status, error)
    plain = (_PLAIN_WORDS[word] for word in _words(error) if word in _PLAIN_WORDS)
    return _telling(error) or _by_phrase(error) or next(plain, ErrorCode.UNAVAILABLE)


def _error_of(body: object) -> Mapping[str, object]:
    error = body.get("error", body) if isinstance(body, Mapping) else body
    return error if isinstance(error, Mapping) else {"message": error}


def _words(error: Mapping[str, object]) -> list[str]:
    details = error.get("details")
    detail = details.get("error_code") if isinstance(details, Mapping) else None
    return [word.lower() for word in (detail, error.get("code"), error.get("type")) if isinstance(word, str)]


def _telling(error: Mapping[str, object]) -> ErrorCode | None:
    for word in _words(error):
        if word in _TELLING_WORDS:
            return _TELLING_WORDS[word]
        if "spend_limit" in word:
            return ErrorCode.QUOTA
    return None


def _by_phrase(error: Mapping[str, object]) -> ErrorCode | None:
    message = str(error.get("message", "")).lower()
    return next((code for phrase, code in _PHRASES.items() if phrase in message), None)
