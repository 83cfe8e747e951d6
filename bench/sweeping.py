"""``python -m bench.sweeping``: what a sweep costs beside many runs that have ended, on SQLite and on PostgreSQL.

Each of the runs has a prompt, a final answer, three candidates and a synthesis. A sweep that finds nothing to do is
timed, and then the same over an empty database: the second column says what the ended runs add.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.product import ROOT
from tests.servers import postgresql, valkey

ROUNDS = 20
BATCH = 2000


def fill(runs: int) -> None:
    """Add so many ended runs."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from runs.models import Generation, MultiModelRun
    from threads.models import Message, Thread

    owner, _ = User.objects.get_or_create(username="ada")
    now = timezone.now()
    for begin in range(0, runs, BATCH):
        count = min(BATCH, runs - begin)
        threads = Thread.objects.bulk_create(Thread(owner=owner, title="Why?") for _ in range(count))
        prompts = Message.objects.bulk_create(
            Message(thread=thread, role="user", kind="prompt", content="Why?", position=0) for thread in threads
        )
        made = MultiModelRun.objects.bulk_create(
            MultiModelRun(
                thread=prompt.thread,
                owner=owner,
                prompt=prompt,
                master_model="demo:andante",
                status="completed",
                queued_at=now,
                deadline_at=now,
            )
            for prompt in prompts
        )
        Generation.objects.bulk_create(
            Generation(
                run=run,
                thread=run.thread,
                kind="synthesis" if place == 3 else "candidate",
                position=place % 3,
                role="master",
                model_id="demo:andante",
                status="completed",
                text="Because. " * 20,
            )
            for run in made
            for place in range(4)
        )


def milliseconds() -> float:
    """The median time of a sweep."""
    from runs import orchestration

    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        assert orchestration.sweep() == 0
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def measure(runs: int) -> None:
    """In a process of its own, over the database of the environment: print a row of the table."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    empty = milliseconds()
    fill(runs)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    print(f"| {connection.vendor} | {runs:,} | {milliseconds():.1f} ms | {empty:.1f} ms |", flush=True)
    connection.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        measure(options.runs)
        return
    print("| database | ended runs | a sweep | a sweep of an empty database |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="sweep-") as folder, valkey(Path(folder)) as redis:
        _apart(options.runs, folder, redis, f"sqlite:///{folder}/db.sqlite3")
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="pg-") as place, postgresql(Path(place)) as address:
            _apart(options.runs, folder, redis, address)


def _apart(runs: int, folder: str, redis: str, database: str) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "chatproject.settings",
        "VAR_DIR": folder,
        "REDIS_URL": redis,
        "DATABASE_URL": database,
        "DEMO": "on",
    }
    command = [sys.executable, "-m", "bench.sweeping", "--here", "--runs", str(runs)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    main()
