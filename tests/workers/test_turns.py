"""What a master is given to read, from rows."""

from typing import Any

import pytest

from runs.models import Generation
from tests.runs.conftest import models  # noqa: F401 (a fixture)
from tests.runs.rows import synthesis, synthesizing
from workers.streaming import _turns

pytestmark = pytest.mark.usefixtures("models", "redis_flushed")


def test_the_master_reads_drafts_and_no_thoughts(ada: Any) -> None:
    run = synthesizing(ada)
    run.generations.update(reasoning="Psst, between us")
    turns = _turns(Generation.objects.select_related("run__prompt", "run__thread").get(pk=synthesis(run).pk))
    asked = " ".join(turn.content for turn in turns)
    assert asked.count("Because.") == 3
    assert "Psst" not in asked
