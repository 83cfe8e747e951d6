"""Typed reading of environment variables; a wrong value fails at start with a sentence that names the variable."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
N = TypeVar("N", int, float)

_ASSIGNMENT = re.compile(r"""\s*(?:export\s+)?(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^"'].*?)?)(?:\s+\#.*)?\s*""")
"""``NAME=value``, perhaps quoted, perhaps with a comment after it."""
_FLAGS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def load_file(path: Path) -> None:
    """Take the variables of a ``.env`` file that the environment itself does not set."""
    lines = path.read_text().splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            os.environ.setdefault(*_assignment(line, f"{path.name}, line {number}"))


def text(name: str, default: str = "") -> str:
    """The variable as it stands, or ``default`` when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def flag(name: str, *, default: bool) -> bool:
    """A yes or a no."""
    return _read(name, lambda raw: _FLAGS[raw.lower()], "yes" if default else "no", "yes or no")


def number(name: str, default: int, *, low: int = 1, high: int = 10**9) -> int:
    """A whole number from ``low`` to ``high``."""
    return _read(name, lambda raw: _within(int(raw), low, high), str(default), f"a whole number from {low} to {high}")


def seconds(name: str, default: float) -> float:
    """A positive number of seconds."""
    return _read(name, lambda raw: _within(float(raw), 0.001, 86_400), str(default), "a number of seconds up to 86400")


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One word of ``allowed``."""
    return _read(name, lambda raw: allowed[allowed.index(raw.lower())], default, "one of: " + ", ".join(allowed))


def url(name: str, default: str, schemes: tuple[str, ...]) -> str:
    """An address whose scheme is one of ``schemes``; an empty default allows none at all."""
    wanted = "an address that starts with " + " or ".join(f"{scheme}://" for scheme in schemes)
    return _read(name, lambda raw: _address(raw, schemes), default, wanted)


def require(holds: bool, sentence: str) -> None:  # noqa: FBT001
    """Stop the start with a sentence when two values contradict each other."""
    if not holds:
        raise ImproperlyConfigured(f"{sentence} Correct one of them and start again.")


def database(name: str, default: str) -> dict[str, Any]:
    """A database address, as Django's ``DATABASES`` wants it."""
    url(name, default, ("sqlite", "postgres", "postgresql"))
    return dict(environ.Env.db_url_config(text(name, default)))


def _assignment(line: str, place: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(line)
    if not match:
        raise ImproperlyConfigured(f"{place}: write it as NAME=value, or put # in front of it.")
    name, *values = match.groups(default="")
    return name, "".join(values)


def _read(name: str, cast: Callable[[str], T], default: str, wanted: str) -> T:
    raw = text(name, default)
    try:
        return cast(raw)
    except (ValueError, KeyError) as error:
        # An address may carry a password, so the value itself is never repeated.
        raise ImproperlyConfigured(f"{name} must be {wanted}. Correct its value and start again.") from error


def _within(value: N, low: float, high: float) -> N:
    if not low <= value <= high:
        raise ValueError(value)
    return value


def _address(raw: str, schemes: tuple[str, ...]) -> str:
    if raw and urlsplit(raw).scheme not in schemes:
        raise ValueError(raw)
    return raw
