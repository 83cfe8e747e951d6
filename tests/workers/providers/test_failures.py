from typing import Any

import pytest

from workers.providers.base import ErrorCode, Retry
from workers.providers.failures import code_of_error, code_of_refusal, failure


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_sentence_that_names_the_provider(code: ErrorCode) -> None:
    told = failure(code, "Vendor {x}", retry_after=3)
    assert "Vendor {x}" in told.message
    assert told.message.endswith(".")
    assert (told.code, told.retry_after) == (code, 3)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, {"message": "This model's maximum context length is 8192 tokens"}, ErrorCode.TOO_LONG),
        (400, {"type": "exceed_context_size_error"}, ErrorCode.TOO_LONG),
        (400, {"message": "Your credit balance is too low"}, ErrorCode.QUOTA),
        (400, None, ErrorCode.REJECTED),
        (400, "no JSON", ErrorCode.REJECTED),
        (400, ["a", "list"], ErrorCode.REJECTED),
        (400, {"code": ["not a word"], "type": 7, "details": "none"}, ErrorCode.REJECTED),
        (403, {"type": "permission_error", "details": {"error_code": "contract_spend_limit_reached"}}, ErrorCode.QUOTA),
        (404, {"code": "model_not_found"}, ErrorCode.NOT_FOUND),
        (409, None, ErrorCode.UNAVAILABLE),
        (418, None, ErrorCode.REJECTED),
        (422, None, ErrorCode.REJECTED),
        (429, {"code": "insufficient_quota"}, ErrorCode.QUOTA),
        (429, {"type": "tokens", "code": "rate_limit_exceeded"}, ErrorCode.RATE_LIMITED),
        (500, {"message": "the context length overflowed a buffer"}, ErrorCode.UNAVAILABLE),
        (503, {"code": "slow_down"}, ErrorCode.OVERLOADED),
        (520, "<html>", ErrorCode.UNAVAILABLE),
    ],
)
def test_a_status_and_its_body_have_a_meaning(status: int, error: Any, code: ErrorCode) -> None:
    assert code_of_refusal(status, error) == code
    assert code_of_refusal(status, {"error": error}) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"type": "overloaded_error"}, ErrorCode.OVERLOADED),
        ({"type": "rate_limit_error"}, ErrorCode.RATE_LIMITED),
        ({"type": "authentication_error"}, ErrorCode.AUTH),
        ({"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}, ErrorCode.TOO_LONG),
        ({"type": "invalid_request_error"}, ErrorCode.REJECTED),
        ({"type": "api_error"}, ErrorCode.UNAVAILABLE),
        ({"code": 429, "message": "slow"}, ErrorCode.RATE_LIMITED),
        ({"code": 12}, ErrorCode.UNAVAILABLE),
        ("model crashed", ErrorCode.UNAVAILABLE),
    ],
)
def test_an_error_without_a_status_has_a_meaning(error: Any, code: ErrorCode) -> None:
    assert code_of_error({"error": error}) == code


def test_what_cannot_help_is_not_tried_again() -> None:
    never = {code for code in ErrorCode if failure(code, "V").retry == Retry.NEVER}
    assert never == {
        ErrorCode.AUTH,
        ErrorCode.QUOTA,
        ErrorCode.NOT_FOUND,
        ErrorCode.TOO_LONG,
        ErrorCode.REJECTED,
        ErrorCode.TOO_SLOW,
    }
