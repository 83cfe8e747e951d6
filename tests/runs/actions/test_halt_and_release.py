from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions
from runs.events import GenerationCancelled
from tests.runs.rows import answering, candidates, claimed, ending, fresh

pytestmark = pytest.mark.usefixtures("models")


def test_halt_keeps_what_came_and_what_it_cost(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    candidate = candidates(answering(ada))[0]
    with django_capture_on_commit_callbacks(execute=True):
        actions.halt(claimed(candidate), ending("So far", ""))
    row = fresh(candidate)
    assert (row.status, row.text, row.tokens_out, row.lease_owner) == ("cancelled", "So far", 4, None)
    assert [event.generation["text"] for event in said if isinstance(event, GenerationCancelled)] == ["So far"]


def test_release_gives_the_lease_back_at_once_and_counts_as_no_failure(ada: Any) -> None:
    candidate = candidates(answering(ada))[0]
    actions.release(claimed(candidate))
    row = fresh(candidate)
    assert (row.status, row.failures, row.lease_owner) == ("queued", 0, None)
    assert type(row).objects.filter(pk=row.pk, next_retry_at__lte=Now()).exists()
    assert [generation.pk for generation in actions.due()] == [candidate.pk]
