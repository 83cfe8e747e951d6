"""Every fault: each run ends right, once, whole, and every page shows what the database holds.

A scene holds one run at each point of its way and then inflicts one fault, so all points are hit by it at once. With
``--all-faults`` each fault is inflicted on both databases, and on runs that stand at one point alone.
"""

from collections.abc import Iterator, Sequence

import pytest

from tests.faults.inflict import DATABASE, FAULTS
from tests.faults.place import DATABASES, Place
from tests.faults.points import Point
from tests.faults.scene import a_scene

ELSEWHERE = {
    "kill -9 web": "sqlite",
    "kill -9 sweeper and worker": "postgresql",
    "SIGTERM worker": "postgresql",
    "broker killed, it forgets everything": "sqlite",
    "broker killed, with an append-only file": "postgresql",
    "broker frozen for two leases": "postgresql",
    "FLUSHALL": "sqlite",
    "CLIENT KILL TYPE pubsub": "sqlite",
    "CLIENT KILL TYPE normal": "sqlite",
}
"""In the short version these are inflicted on one database only, which has little part in them."""


def scenes(*, every: bool) -> Iterator[tuple[str, str, Sequence[Point]]]:
    """Databases, faults and points."""
    for database in DATABASES:
        for name in FAULTS:
            only = DATABASE.get(name) or ("" if every else ELSEWHERE.get(name, ""))
            if only in ("", database):
                yield database, name, list(Point)
                yield from ((database, name, [point]) for point in Point if every)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    found = list(scenes(every=metafunc.config.getoption("--all-faults")))
    ids = [f"{database}: {name}, {points[0] if len(points) == 1 else 'everywhere'}" for database, name, points in found]
    metafunc.parametrize(("database", "name", "points"), found, ids=ids)


def test_no_run_is_lost(place: Place, name: str, points: Sequence[Point]) -> None:
    with a_scene(place) as scene:
        scene.hold_at(points)
        FAULTS[name](scene)
        scene.release()
        scene.wait_for_ends()
        scene.judge()
