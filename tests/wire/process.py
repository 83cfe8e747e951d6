"""The server as a process of its own, for a product that consists of processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Wire:
    """Where it listens, and what it was asked."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self, model: str = "", token: str = "", *, content: bool = False) -> list[dict[str, Any]]:
        """What it was asked so far, of one model, about one prompt or in all."""
        wanted = {"model": model, "token": token, "content": "yes" if content else ""}
        answer = httpx2.get(f"{self.url}/requests", params={key: value for key, value in wanted.items() if value})
        return list(answer.json())


@contextmanager
def running() -> Iterator[Wire]:
    """The server until the end of the context."""
    command = [sys.executable, "-m", "tests.wire", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            yield Wire(int(process.stdout.readline()))
        finally:
            process.terminate()
