"""The sweep reads what is active and nothing else, and goes on whatever happens to one of its rounds."""

import logging
import threading
import time
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from bench.sweeping import fill
from runs import orchestration
from runs.sweeping import Sweeper
from tests.product import wait_for
from tests.runs.rows import answering, completed, failed

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")


def plan(query: str) -> str:
    """How the database would answer it, if a table were too large to be read whole."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN '}{query}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_no_query_of_a_sweep_reads_a_table_whole(ada: Any) -> None:
    fill(300)
    for make in (completed, failed, answering):
        make(ada)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        assert orchestration.sweep() == 0
    queries = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
    assert len(queries) >= 8
    whole = {"sqlite": ("SCAN runs_generation", "SCAN runs_multimodelrun"), "postgresql": ("Seq Scan on runs_",)}
    for query in queries:
        how = plan(query)
        read_whole = [line for line in how.splitlines() if any(words in line for words in whole[connection.vendor])]
        assert all("USING" in line and "INDEX" in line for line in read_whole), f"{query}\n{how}"
        assert any(f"{name}" in how for name in PARTIAL), f"{query}\n{how}"


PARTIAL = (
    "run_queued",
    "run_answering",
    "run_synthesizing",
    "generation_queued",
    "generation_streaming",
    "thread_deleted",
)


def test_it_goes_on_after_a_round_that_failed(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds: list[Exception | int] = [OperationalError("away"), RuntimeError("a mistake"), 3]

    def sweep() -> int:
        outcome = rounds.pop(0) if rounds else 0
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(orchestration, "sweep", sweep)
    sweeper = Sweeper(0.01)
    thread = threading.Thread(target=sweeper.sweep_until_stopped)
    with caplog.at_level(logging.INFO, "runs.sweeping"):
        thread.start()
        wait_for(lambda: "Brought on 3 things" in caplog.text, 5)
    sweeper.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert "OperationalError: away" in caplog.text


def test_it_stops_in_the_middle_of_its_pause(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestration, "sweep", lambda: 0)
    sweeper = Sweeper(60)
    thread = threading.Thread(target=sweeper.sweep_until_stopped)
    thread.start()
    begun = time.monotonic()
    sweeper.stop()
    thread.join(5)
    assert time.monotonic() - begun < 5


def test_the_command_sweeps_once_and_says_how_much_it_moved(ada: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sweep")
    assert capsys.readouterr().out == "Moved: 0\n"


def test_celery_beat_would_launch_the_sweep_by_its_name() -> None:
    assert django_settings.CELERY_BEAT_SCHEDULE["sweep"]["task"] == orchestration.SWEEP
