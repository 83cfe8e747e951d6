"""Parts that not every machine has."""

import os

import pytest


def need(condition: object, reason: str) -> None:
    """Skip the test, visibly, when a part is missing; where CI is set every part must be there, so it fails."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {reason}")
    pytest.skip(reason)
