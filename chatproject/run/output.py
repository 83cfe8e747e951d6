"""What ``make run`` prints: few lines, each behind the name of the process that said it."""

import contextlib
import os
import sys
from collections.abc import Callable

COLOURS = (36, 33, 32, 35, 34, 31)
WIDTH = 11


class Output:
    """Lines behind names, in colour on a terminal. A reader who went away stops nothing."""

    def __init__(self) -> None:
        self._colourful = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._names: list[str] = []

    def say(self, line: str) -> None:
        """A line of the supervisor's own."""
        with contextlib.suppress(OSError, ValueError):
            print(line, flush=True)

    def of(self, name: str) -> Callable[[str], None]:
        """Who prints the lines of one process."""
        self._names.append(name)
        prefix = f"{name:<{WIDTH}} | "
        if self._colourful:
            prefix = f"\x1b[{COLOURS[len(self._names) % len(COLOURS)]}m{prefix}\x1b[0m"
        return lambda line: self.say(prefix + line) if line else None
