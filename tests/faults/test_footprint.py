"""Processes that live through faults hold no more afterwards than before: threads, files, memory, connections."""

import time

import pytest

from tests.faults.footprint import growth, look
from tests.faults.inflict import FAULTS
from tests.faults.place import Place
from tests.faults.scene import a_scene

HARMLESS = ["CLIENT KILL TYPE normal", "broker killed, it forgets everything"]
OF_THE_DATABASE = {"sqlite": "SQLite locked by another writer", "postgresql": "PostgreSQL restart -m immediate"}


def live_through(place: Place, name: str = "") -> None:
    """Eight runs, and perhaps a fault in the middle of them."""
    with a_scene(place) as scene:
        for _ in range(8):
            scene.ask()
        time.sleep(0.7)
        if name:
            FAULTS[name](scene)
        scene.wait_for_ends()
        scene.judge()


@pytest.mark.parametrize("database", ["postgresql"])
def test_the_processes_hold_no_more_than_before(place: Place, database: str) -> None:
    live_through(place)
    before = look(place)
    for name in (*HARMLESS, OF_THE_DATABASE[database]):
        live_through(place, name)
    time.sleep(1)
    assert list(growth(before, look(place))) == []
