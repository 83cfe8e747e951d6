"""The door: reads where to run, holds the folder, and ends with a sentence when something is wrong."""

import argparse
import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from chatproject import env, places
from chatproject.run import address
from chatproject.run.errors import CannotRun
from chatproject.run.guard import Guard
from chatproject.run.launch import BASE_DIR, Launch
from chatproject.run.lock import the_only_run
from chatproject.run.output import Output
from chatproject.run.supervisor import Stopped, Supervisor


def main() -> None:
    """Run until the end; exit with a sentence when that cannot be."""
    options = _options()
    os.chdir(BASE_DIR)
    try:
        env.load_file(BASE_DIR / ".env")
        run(options.procfile, stop_with_parent=options.stop_with_parent)
    except (CannotRun, ImproperlyConfigured) as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        pass  # before anything was started


def run(lines: Path, *, stop_with_parent: bool) -> None:
    """Start everything, look after it until somebody wants it to end, and leave nothing behind."""
    host, port = places.address()
    var_dir = places.var_dir(BASE_DIR)
    output = Output()
    with the_only_run(var_dir) as lock:
        address.check_free(host, port)
        guard = Guard(lock)
        supervisor = Supervisor(guard, output.say, stop_with_parent=stop_with_parent)
        try:
            Launch(supervisor, guard, output, var_dir).everything(lines, host, port)
            while True:
                supervisor.tick()
        except Stopped:
            output.say("Stopping.")
        finally:
            supervisor.stop()
            guard.dismiss()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chatproject.run", description="Run everything of the Procfile.")
    parser.add_argument(
        "--procfile", type=Path, default=BASE_DIR / "Procfile", help="another file of `name: command` lines"
    )
    parser.add_argument("--stop-with-parent", action="store_true", help="also stop when the calling process is gone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
