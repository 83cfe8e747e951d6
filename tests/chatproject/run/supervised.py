"""A real supervisor with small programs of its own, in a folder of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.product import ROOT, free_port

WEB = "web: python -m http.server ${PORT} --bind ${HOST}\n"
SLEEPER = 'sleeper: python -c "import time; time.sleep(600)"\n'
NEUTRAL = {"REDIS_URL": "", "HOST": "", "DATABASE_URL": "", "LOCAL_MODEL_URL": "http://127.0.0.1:9/v1"}
"""No variable of another place; and a local model elsewhere, so that none is started here."""


@dataclass
class Supervised:
    """The supervisor as a person at the terminal sees it."""

    process: subprocess.Popen[str]
    port: str
    var_dir: Path
    lines: list[str] = field(default_factory=list)

    def read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def says(self, words: str, seconds: float = 20) -> str:
        wait(lambda: any(words in line for line in self.lines) or self.process.poll() is not None, seconds)
        return next((line for line in self.lines if words in line), "") or self._never_said(words)

    def children(self) -> dict[int, str]:
        """What it has started, and what that has started, by process id."""
        rows, found = processes(), {self.process.pid}
        while more := {pid for pid, (parent, _) in rows.items() if parent in found} - found:
            found |= more
        return {pid: rows[pid][1] for pid in found - {self.process.pid}}

    def child(self, words: str) -> int:
        return next(pid for pid, command in self.children().items() if words in command)

    def _never_said(self, words: str) -> str:
        raise AssertionError(f"{words!r} was not said: {self.lines}")


@contextmanager
def supervised(folder: Path, procfile: str = WEB + SLEEPER, **environment: str) -> Iterator[Supervised]:
    """Start it; kill it, and wait for what it started, in the end."""
    (folder / "Procfile").write_text(procfile)
    port = environment.pop("PORT", str(free_port()))
    var_dir = Path(environment.pop("VAR_DIR", str(folder / "var")))
    process = subprocess.Popen(
        [sys.executable, "-m", "chatproject.run", "--procfile", str(folder / "Procfile")],
        cwd=ROOT,
        env={**os.environ, **NEUTRAL, "VAR_DIR": str(var_dir), "PORT": port, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    run = Supervised(process, port, var_dir)
    reader = threading.Thread(target=run.read)
    reader.start()
    try:
        yield run
    finally:
        left = run.children()
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        wait(lambda: gone(left), 10)
        reader.join()
        process.stdout.close()  # type: ignore[union-attr]


def processes() -> dict[int, tuple[int, str]]:
    """Everything that runs on this machine and is no zombie: parent and command by process id."""
    found = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 3) for line in found.splitlines()]
    return {int(row[0]): (int(row[1]), row[3]) for row in rows if len(row) == 4 and not row[2].startswith("Z")}


def gone(pids: dict[int, str]) -> bool:
    now = processes()
    return not any(pid in now and now[pid][1] == words for pid, words in pids.items())


def wait(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
