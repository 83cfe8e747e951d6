"""What the settings make of the limits of providers."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatproject.places import provider_limits

KNOWN = {"openai": None, "local": None}


def test_limits_come_by_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_AT_ONCE", "openai=20, local=1")
    monkeypatch.setenv("PROVIDER_PER_MINUTE", "openai=500")
    assert provider_limits(KNOWN) == {
        "openai": {"at_once": 20, "per_minute": 500},
        "local": {"at_once": 1, "per_minute": None},
    }


def test_without_limits_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_AT_ONCE", "")
    monkeypatch.setenv("PROVIDER_PER_MINUTE", "")
    assert provider_limits(KNOWN) == {}


@pytest.mark.parametrize(
    "value", ["openai", "openai=", "openai=0", "openai=-1", "openai=x", "nobody=3", "local=1,local=2"]
)
def test_a_wrong_limit_stops_the_start_with_a_sentence(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PROVIDER_AT_ONCE", value)
    with pytest.raises(ImproperlyConfigured, match="PROVIDER_AT_ONCE must be a list like openai=20,local=1"):
        provider_limits(KNOWN)
