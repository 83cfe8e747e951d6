"""The supervisor's side of the guardian: hires it, tells it every process group, replaces it when it is killed."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("guardian.py")


class Guard:
    """The guardian at work. ``held`` is a locked file that stays locked until the guardian has cleaned up."""

    def __init__(self, held: int) -> None:
        self._held = held
        self._groups: set[int] = set()
        self._rubbish: list[Path] = []
        self._hire()

    def announce(self) -> None:
        """Called in a new process before it becomes its program, so that no killed supervisor can forget it."""
        self._tell(f"+ {os.getpid()}")

    def add(self, group: int) -> None:
        """Remember a group that announced itself."""
        self._groups.add(group)

    def forget(self, group: int) -> None:
        """A group has ended; its number may soon be somebody else's."""
        self._groups.discard(group)
        self._tell(f"- {group}")

    def remove_at_the_end(self, path: Path) -> None:
        """A file or folder that nobody needs afterwards."""
        self._rubbish.append(path)
        self._tell(f"rubbish {path}")

    def check(self) -> None:
        """Replace a guardian that died."""
        if self._guardian.poll() is not None:
            self._close()
            self._hire()

    def dismiss(self) -> None:
        """The regular end: all groups have ended, only the rubbish is left."""
        self.check()
        self._tell("dismissed")
        self._close()
        self._guardian.wait()

    def _hire(self) -> None:
        self._guardian = subprocess.Popen(  # noqa: S603 -- a file of ours
            [sys.executable, "-I", "-S", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[self._held],
        )
        for group in self._groups:
            self._tell(f"+ {group}")
        for path in self._rubbish:
            self._tell(f"rubbish {path}")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # check() hires another one, which then hears everything
            os.write(self._pipe(), f"{line}\n".encode())

    def _pipe(self) -> int:
        assert self._guardian.stdin
        return self._guardian.stdin.fileno()

    def _close(self) -> None:
        assert self._guardian.stdin
        self._guardian.stdin.close()
