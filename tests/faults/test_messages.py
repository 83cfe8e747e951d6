"""Task messages that are lost, come twice or come an hour late: the rows decide, so none of it is seen."""

import time

import pytest

from tests.faults import rows
from tests.faults.messages import BESIDE, QUEUE, TASKS, Thief, Treatment, double, keep, lose
from tests.faults.place import DATABASES, Place
from tests.faults.scene import Scene, a_scene


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The short version looks at one database only."""
    every = metafunc.config.getoption("--all-faults")
    metafunc.parametrize("database", DATABASES if every else ["postgresql"])


def play(scene: Scene, treatment: Treatment) -> Thief:
    """Two runs whose messages are treated so; returns the thief once they have ended."""
    with Thief(scene.place, treatment, *TASKS) as thief:
        for _ in range(2):
            scene.ask()
        scene.wait_for_ends()
    assert {task for task, _ in thief.treated} == set(TASKS), "the thief came too late"
    return thief


@pytest.mark.parametrize("treatment", [lose, double])
def test_no_message_is_needed_and_none_does_harm_twice(place: Place, treatment: Treatment) -> None:
    with a_scene(place) as scene:
        play(scene, treatment)
        scene.judge()


def test_messages_that_come_after_the_end_change_nothing(place: Place) -> None:
    with a_scene(place) as scene:
        thief = play(scene, keep)
        before = rows.read(place.product, scene.tokens)
        for message in thief.kept:
            thief.put(message)
        with place.broker() as broker:
            while any(broker.llen(key) for key in (QUEUE, BESIDE)):
                time.sleep(0.1)
        time.sleep(1)
        assert rows.read(place.product, scene.tokens) == before
        scene.judge()
