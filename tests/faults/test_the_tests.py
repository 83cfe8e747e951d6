"""A test of the tests: with a part of the product taken away, the same tests must see that promises are broken."""

import pytest

from tests.faults import scene
from tests.faults.conftest import Places
from tests.faults.messages import lose
from tests.faults.points import Point
from tests.faults.scene import RunsDidNotEndError
from tests.faults.test_faults import test_no_run_is_lost as inflict
from tests.faults.test_messages import test_messages_that_come_after_the_end_change_nothing as late_messages
from tests.faults.test_messages import test_no_message_is_needed_and_none_does_harm_twice as lost_messages

NEEDED = {Point.AFTER_CLAIM, Point.MID_STREAM, Point.AFTER_JOIN, Point.IN_SYNTHESIS}
"""Whoever is killed here leaves something that nobody else will ever look for."""


class TestWithoutASweeper:
    @pytest.fixture(autouse=True)
    def _nobody_sweeps(self, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scene, "PATIENCE", 6.0)
        with places("sqlite").points.without("sweep"):
            yield

    def test_a_killed_worker_is_seen_to_lose_runs(self, places: Places) -> None:
        with pytest.raises(RunsDidNotEndError) as lost:
            inflict(places("sqlite"), "kill -9 worker", list(Point))
        assert {point for point in NEEDED if f"held at {point}:" in str(lost.value)} == NEEDED

    def test_lost_messages_are_seen_to_lose_runs(self, places: Places) -> None:
        with pytest.raises(RunsDidNotEndError):
            lost_messages(places("sqlite"), lose)

    def test_nothing_else_fails(self, places: Places) -> None:
        late_messages(places("sqlite"))


def test_without_a_fence_a_worker_that_wakes_up_is_seen_to_write(places: Places) -> None:
    with places("sqlite").points.without("fence"), pytest.raises(AssertionError, match="fenced: ") as broken:
        inflict(places("sqlite"), "SIGSTOP worker for two leases", [Point.MID_STREAM])
    assert "a text changed although nobody held its lease" in str(broken.value)
