"""One supervised process, in a session of its own, with its output as lines."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping

from chatproject.run.errors import CannotRun
from chatproject.run.guard import Guard

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
SETTLED = 30.0
"""A process that lived this many seconds starts again as quickly as the first time."""


class Process:
    """One line of the Procfile, started as often as it takes."""

    def __init__(self, name: str, argv: list[str], environment: Mapping[str, str], hear: Callable[[str], None]) -> None:
        self.name = name
        self.argv = argv
        self.environment = environment
        self.hear = hear
        self.exit_code: int | None = None
        self.due = 0.0
        """When it starts again; 0 when it does not wait for that."""
        self._popen: subprocess.Popen[bytes] | None = None
        self._pause = FIRST_PAUSE
        self._started = 0.0
        self._rest = b""

    def start(self, guard: Guard) -> None:
        """Start it; its group is known to the guardian before its program begins."""
        self.due, self.exit_code, self._started = 0.0, None, time.monotonic()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 -- what the Procfile says is to be run
                self.argv,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=guard.announce,  # noqa: PLW1509 -- the supervisor has one thread
            )
        except OSError as error:
            raise CannotRun(f"{self.name} cannot start: {self.argv[0]}: {error.strerror}.") from error
        guard.add(self._popen.pid)
        os.set_blocking(self.output, False)

    @property
    def output(self) -> int:
        """The file descriptor of what it prints."""
        assert self._popen
        assert self._popen.stdout
        return self._popen.stdout.fileno()

    @property
    def running(self) -> bool:
        """Whether it was started and not yet buried."""
        return self._popen is not None

    def read(self) -> bool:
        """Hand on the whole lines that it printed; whether there was anything to read."""
        try:
            data = os.read(self.output, 65536)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.hear(line.decode(errors="replace").rstrip())
        return bool(data)

    def ended(self) -> bool:
        """Whether it has just died."""
        if self._popen is None or (code := self._popen.poll()) is None:
            return False
        self.exit_code = code
        return True

    def bury(self, guard: Guard) -> None:
        """After its end: hand on its last words and end whatever it left in its group."""
        assert self._popen
        assert self._popen.stdout
        self.signal(signal.SIGKILL)
        guard.forget(self._popen.pid)
        while self.read():
            pass
        if self._rest:
            self.hear(self._rest.decode(errors="replace").rstrip())
        self._rest = b""
        self._popen.stdout.close()
        self._popen = None

    def signal(self, number: int) -> None:
        """Signal its whole group."""
        if self._popen:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, number)

    def pause(self) -> float:
        """How long to wait until it starts again: longer each time, unless it had settled."""
        if time.monotonic() - self._started >= SETTLED:
            self._pause = FIRST_PAUSE
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return pause
