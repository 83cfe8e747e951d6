"""What a provider takes from all workers together."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from runs import actions
from runs.actions import gates
from runs.events import GenerationWaiting
from runs.models import Generation, ProviderGate
from tests.racing import race
from tests.runs.rows import AGO, THREE, answering, candidates, change, claimed, ending, fresh

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture
def two_at_once(settings: Any) -> None:
    settings.PROVIDER_LIMITS = {"swift": {"at_once": 2, "per_minute": None}}


@pytest.fixture
def sixty_a_minute(settings: Any) -> None:
    settings.PROVIDER_LIMITS = {"swift": {"at_once": None, "per_minute": 60}}


@pytest.mark.usefixtures("two_at_once")
def test_who_finds_the_provider_busy_waits_and_says_for_whom_once(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    first, second, third = candidates(answering(ada))
    claimed(first)
    claimed(second)
    with django_capture_on_commit_callbacks(execute=True):
        assert actions.claim(third.pk) is None
        assert actions.claim(third.pk) is None
    row = fresh(third)
    assert (row.status, row.waiting_for, row.attempt, row.lease_owner) == ("queued", "swift", 0, None)
    assert [event.generation["waiting_for"] for event in said if isinstance(event, GenerationWaiting)] == ["swift"]
    assert actions.due() == [], "the sweeper leaves it some time"


@pytest.mark.usefixtures("two_at_once")
def test_the_one_that_waits_longest_is_woken_when_a_request_has_ended(ada: Any) -> None:
    first, second, third = candidates(answering(ada))
    later = candidates(answering(ada))[0]
    held = claimed(first)
    claimed(second)
    assert actions.claim(later.pk) is None
    assert actions.claim(third.pk) is None
    actions.complete(held, ending())
    assert actions.next_in_line("swift") == third
    assert actions.claim(later.pk) is None, "it does not jump the line"
    assert claimed(third)
    assert fresh(third).waiting_for == ""
    assert actions.next_in_line("swift") == later


@pytest.mark.usefixtures("two_at_once")
def test_the_sweeper_wakes_who_was_forgotten(ada: Any) -> None:
    first, second, third = candidates(answering(ada))
    claimed(first)
    claimed(second)
    actions.claim(third.pk)
    change(third, next_retry_at=Now() - AGO)
    assert [generation.pk for generation in actions.due()] == [third.pk]


@pytest.mark.usefixtures("two_at_once")
def test_who_waits_for_a_provider_is_not_overloaded(ada: Any, settings: Any) -> None:
    settings.QUEUE_TIMEOUT = 1
    first, second, third = candidates(answering(ada))
    claimed(first)
    claimed(second)
    actions.claim(third.pk)
    change(third, queued_at=Now() - AGO)
    assert actions.fail_unserved() == 0


@pytest.mark.usefixtures("two_at_once")
def test_who_was_stopped_in_the_line_holds_up_nobody(ada: Any) -> None:
    first, second, third = candidates(answering(ada))
    later = candidates(answering(ada))[0]
    held = claimed(first)
    claimed(second)
    actions.claim(third.pk)
    actions.complete(held, ending())
    actions.stop_generation(third.pk)
    assert claimed(later)


def test_other_providers_are_not_held_up(ada: Any, settings: Any) -> None:
    settings.PROVIDER_LIMITS = {"played": {"at_once": 1, "per_minute": 1}}
    for candidate in candidates(answering(ada)):
        claimed(candidate)
    assert ProviderGate.objects.count() == 0
    assert actions.next_in_line("swift") is None


@pytest.mark.usefixtures("sixty_a_minute")
def test_a_burst_leaves_at_once_and_the_rest_at_an_even_pace(ada: Any) -> None:
    asked = [candidate for _ in range(3) for candidate in candidates(answering(ada))]
    waiting = [candidate for candidate in asked if actions.claim(candidate.pk) is None]
    assert 9 - len(waiting) == gates.BURST.total_seconds() == 5
    in_two = Generation.objects.filter(pk=waiting[0].pk, next_retry_at__lte=Now() + timedelta(seconds=2))
    assert in_two.exists()
    later = Generation.objects.filter(pk=waiting[-1].pk, next_retry_at__gt=Now() + timedelta(seconds=1.2))
    assert later.exists(), "who stands behind waits longer"
    ProviderGate.objects.update(next_free_at=Now())
    assert claimed(waiting[0])


@pytest.mark.usefixtures("sixty_a_minute")
def test_a_claim_that_must_wait_leaves_no_trace_of_an_attempt(ada: Any) -> None:
    candidate = candidates(answering(ada, THREE[:1]))[0]
    ProviderGate.objects.create(provider="swift", next_free_at=Now() + timedelta(minutes=1))
    assert actions.claim(candidate.pk) is None
    row = fresh(candidate)
    assert (row.status, row.attempt, row.started_at, row.queued_at is None) == ("queued", 0, None, False)


@pytest.mark.usefixtures("two_at_once")
@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_keep_the_limit(ada: Any, said: list[Any]) -> None:
    rows = [candidate for _ in range(2) for candidate in candidates(answering(ada))]
    claims = race(*[lambda row=row: actions.claim(row.pk) for row in rows])
    assert sum(claim is not None for claim in claims) == 2, claims
    assert Generation.objects.filter(status="streaming").count() == 2
