"""Reads a Procfile: ``name: command`` a line, with ``${NAME}`` taken from the environment."""

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template

from chatproject.run.errors import CannotRun


def commands(path: Path, environment: Mapping[str, str]) -> dict[str, list[str]]:
    """The command of every process by its name; ``python`` is the one that runs this."""
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9_-]+):\s*(\S.*)", line)
        if not match:
            raise CannotRun(f"{path.name}, line {number}: write it as `name: command`.")
        found[match[1]] = [_word(word, environment) for word in shlex.split(match[2])]
    return found


def _word(word: str, environment: Mapping[str, str]) -> str:
    try:
        filled = Template(word).substitute(environment)
    except (KeyError, ValueError) as error:
        raise CannotRun(f"The Procfile uses a variable that is not set: {error}.") from error
    return sys.executable if filled == "python" else filled
