"""``.env.example`` and the code that reads the environment say the same."""

import os
import runpy
from pathlib import Path

import pytest
from django.conf import settings

from chatproject import env

EXAMPLE = Path(settings.BASE_DIR) / ".env.example"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the settings read when nothing but one named provider is set: each name with its default."""
    found: dict[str, str] = {}

    def text(name: str, default: str = "") -> str:
        found.setdefault(name, default)
        return "ollama=http://127.0.0.1:11434/v1" if name == "COMPATIBLE_PROVIDERS" else default

    monkeypatch.setattr(env, "load_file", lambda path: None)
    monkeypatch.setattr(env, "text", text)
    monkeypatch.setattr(os, "environ", {**os.environ})
    runpy.run_path(str(EXAMPLE.parent / "chatproject" / "settings.py"))
    return found


def listed() -> dict[str, str]:
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


ONLY_WITH_POSTGRES = {"DATABASE_POOL"}


def test_it_lists_every_variable_and_no_other(read: dict[str, str]) -> None:
    assert set(listed()) - ONLY_WITH_POSTGRES == set(read)


def test_it_shows_the_defaults(read: dict[str, str]) -> None:
    computed = {"PUBLIC_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "MODELS_FILE"}
    for name, value in listed().items():
        if name in read and name not in computed:
            assert same(value, read[name]), name


def same(shown: str, default: str) -> bool:
    try:
        return float(shown) == float(default)
    except ValueError:
        return shown == default


def test_a_copy_of_it_can_be_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    env.load_file(EXAMPLE)
    assert os.environ == listed()
