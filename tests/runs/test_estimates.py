"""What is said of cost and time before anything is sent."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runs import estimates
from runs.actions import EVERYBODY, Quorum
from runs.choices import Choice
from runs.estimates import Estimate, Habit, TooLong, habit
from runs.models import Generation, MultiModelRun
from tests.api import Api
from tests.runs.rows import candidates, completed, started
from threads.actions import create_thread
from threads.models import Thread

pytestmark = pytest.mark.usefixtures("models", "said", "sent")
ONE, TWO = "swift:one", "swift:two"
"""One costs $1 a million tokens in and $2.50 out; of Two no price is known."""


def estimate(
    ada: Any, *models: str, chars: int = 400, thread: Thread | None = None, quorum: Quorum = EVERYBODY
) -> Estimate:
    return estimates.estimate(ada, thread, Choice(models[0], models[1:]), chars, quorum)


@pytest.fixture
def past(ada: Any) -> Any:
    """Takes how a model did: tokens and seconds of each of its texts, oldest first."""

    def take(model: str, *texts: tuple[int | None, float], kind: str = "candidate") -> None:
        rows = candidates(completed(ada))
        run, thread = rows[0].run, rows[0].thread
        run.generations.all().delete()
        for number, (tokens, seconds) in enumerate(texts):
            end = timezone.now() - timedelta(hours=1) + timedelta(seconds=number)
            Generation.objects.create(
                run=run,
                thread=thread,
                kind=kind,
                role="secondary",
                position=number,
                current=kind == "candidate",
                model_id=model,
                status="completed",
                tokens_out=tokens,
                started_at=end - timedelta(seconds=seconds),
                ended_at=end,
            )

    return take


def test_the_habit_of_a_model_is_the_median_of_its_latest_texts(past: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    past(ONE, (9999, 500), (100, 4), (300, 8), (200, 6), (None, 2))
    monkeypatch.setattr(estimates, "LATEST", 4)
    assert habit(ONE, Generation.Kind.CANDIDATE) == Habit(200, 5)
    assert habit(ONE, Generation.Kind.SYNTHESIS) == Habit()
    assert habit("swift:nobody", Generation.Kind.CANDIDATE) == Habit()


def test_one_model_alone_costs_what_it_reads_and_writes(ada: Any, past: Any) -> None:
    past(ONE, (1000, 20))
    told = estimate(ada, ONE)
    assert told.cost == (Decimal(100) * 1 + Decimal(1000) * Decimal("2.5")) / 1_000_000
    assert (told.seconds, told.unpriced, told.untimed, told.nothing) == (20, [], [], False)


def test_the_master_reads_all_drafts_and_writes_once_more(ada: Any, past: Any) -> None:
    past(ONE, (1000, 20))
    past(ONE, (500, 9), kind="synthesis")
    told = estimate(ada, ONE, ONE)
    candidate = 100 * 1 + 1000 * Decimal("2.5")
    synthesis = (100 + 2000) * 1 + 500 * Decimal("2.5")
    assert told.cost == (2 * candidate + synthesis) / 1_000_000
    assert told.seconds == 20 + 9


def test_what_is_not_known_is_named_and_not_counted(ada: Any, past: Any) -> None:
    past(ONE, (1000, 20))
    told = estimate(ada, ONE, TWO)
    assert told.unpriced == ["two", "Swift One"]  # the master would read a draft of unknown length
    assert told.untimed == ["two"]
    assert told.cost == (100 + 1000 * Decimal("2.5")) / 1_000_000
    assert told.seconds == 40


def test_of_models_that_nobody_asked_yet_nothing_is_known(ada: Any) -> None:
    assert estimate(ada, TWO, "swift:three").nothing
    assert estimate(ada, ONE).nothing


def test_nobody_is_waited_for_longer_than_was_said(ada: Any, past: Any) -> None:
    past(ONE, (10, 5), (10, 5))
    past(TWO, (10, 300))
    past(ONE, (10, 3), kind="synthesis")
    assert estimate(ada, ONE, TWO, quorum=Quorum(1, 30)).seconds == 30 + 3
    assert estimate(ada, ONE, TWO, quorum=Quorum(1, 0)).seconds == 5 + 3, "as soon as the first one is done"
    assert estimate(ada, ONE, TWO, quorum=Quorum(2, 30)).seconds == 300 + 3, "a minimum is waited for"
    assert estimate(ada, ONE, TWO, quorum=Quorum(9, 400)).seconds == 300 + 3
    assert estimate(ada, ONE, TWO).seconds == 300 + 3


def test_the_history_counts_and_drafts_do_not(ada: Any) -> None:
    run = completed(ada)
    thread = run.thread
    thread.system_prompt = "s" * 400
    turns = sum(len(message.content) for message in thread.messages.exclude(kind="draft"))
    assert run.final
    more = estimate(ada, ONE, thread=thread).cost - estimate(ada, ONE).cost
    assert more == Decimal(-(-(400 + 400 + turns) // 4) - 100) / 1_000_000


def test_who_cannot_read_all_of_it_is_named(ada: Any) -> None:
    assert estimate(ada, ONE, TWO, chars=4000).too_long == []
    assert estimate(ada, ONE, TWO, chars=4004).too_long == [TooLong("Swift One", 1001, 1000)]


def test_somebody_with_all_their_runs_under_way_is_told_before(ada: Any, settings: Settings) -> None:
    started(ada)
    settings.ACTIVE_RUNS_PER_USER_MAX = 2
    assert not estimate(ada, ONE).too_many
    settings.ACTIVE_RUNS_PER_USER_MAX = 1
    assert estimate(ada, ONE).too_many


def test_the_page_says_it_in_words(client: Client, ada: Any, bob: Any, past: Any) -> None:
    client.force_login(ada)
    past(ONE, (200_000, 62))
    words = client.get("/estimate/", {"master": ONE, "chars": "5000"}).content.decode()
    assert "<b>Estimate</b>" in words
    assert "about $0.5" in words
    assert "about 60 s" in words
    assert "Swift One reads at most 1k tokens, and this is about 1.2k." in words
    assert "at least $0.5" in client.get("/estimate/", {"master": ONE, "secondary": TWO}).content.decode()
    nothing = client.get("/estimate/", {"master": TWO, "chars": "x"}).content.decode()
    assert "cannot be estimated: nothing is known" in nothing
    assert client.get("/estimate/").content == b""
    wrong = {"master": ONE, "secondary": TWO, "soft_deadline": "soon"}
    assert "“soon” is not a whole number." in client.get("/estimate/", wrong).content.decode()
    theirs = create_thread(bob).pk
    for unknown in (theirs, "no-id"):
        assert client.get("/estimate/", {"master": ONE, "thread": unknown}).status_code == 404


def test_the_api_says_it_in_figures(ada: Any, bob: Any, past: Any) -> None:
    past(ONE, (200_000, 62))
    api, before = Api(ada), MultiModelRun.objects.count()
    told = api.post("/api/estimates/", {"prompt": "x" * 5000, "master": ONE, "secondaries": [TWO]})
    assert (told.status_code, told.json()) == (
        200,
        {
            "cost": "0.50125",
            "unpriced": ["two", "Swift One"],
            "seconds": 124.0,
            "untimed": ["two"],
            "too_long": [{"model": "Swift One", "tokens": 1250, "context_window": 1000}],
            "too_many": False,
        },
    )
    nothing = api.post("/api/estimates/", {"master": TWO}).json()
    assert (nothing["cost"], nothing["seconds"]) == (None, None)
    assert MultiModelRun.objects.count() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"master": "nobody:knows"}, 400),
        ({"master": ONE, "minimum": 2}, 400),
        ({"master": ONE, "soft_deadline": -1}, 400),
        ({"master": ONE, "models": []}, 400),
        ({"master": ONE, "thread": "no-id"}, 400),
        ({"master": ONE, "thread": "0b5f5e0e-3c1b-4a57-9d0e-2f6f6a1f3a11"}, 404),
    ],
)
def test_the_api_says_what_is_wrong_with_a_question(ada: Any, body: dict[str, Any], status: int) -> None:
    answer = Api(ada).post("/api/estimates/", body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"].endswith(".")


def test_nobody_estimates_with_the_thread_of_another(ada: Any, bob: Any) -> None:
    theirs = str(create_thread(bob).pk)
    assert Api(ada).post("/api/estimates/", {"master": ONE, "thread": theirs}).status_code == 404
