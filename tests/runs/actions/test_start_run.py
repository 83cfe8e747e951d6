import uuid
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from runs.actions import KeyReused, ThreadBusy, start
from runs.events import RunStarted
from runs.models import Generation, MultiModelRun
from tests.racing import race
from tests.runs.rows import THREE, ask, completed, counts, fresh, started
from threads.actions import create_thread
from threads.models import Message, Thread

pytestmark = pytest.mark.usefixtures("models")


def test_it_saves_the_prompt_the_run_its_generations_and_a_lane_for_each_secondary(ada: Any) -> None:
    thread = create_thread(ada)
    run, new = ask(ada, thread, "Why?", *THREE)
    assert new
    assert (run.status, run.outcome, run.prompt.content, run.master_model) == ("queued", "", "Why?", THREE[0])
    rows = list(run.generations.all())
    assert [(row.kind, row.role, row.position, row.model_id) for row in rows] == [
        ("candidate", "master", 0, THREE[0]),
        ("candidate", "secondary", 1, THREE[1]),
        ("candidate", "secondary", 2, THREE[2]),
    ]
    assert rows[0].thread_id == thread.pk
    assert [row.thread.kind for row in rows[1:]] == ["lane", "lane"]
    assert {row.thread.branched_from_id for row in rows[1:]} == {run.prompt_id}


def test_it_takes_the_same_model_twice(ada: Any) -> None:
    run = started(ada, (THREE[0], THREE[0], THREE[0]))
    assert len({row.thread_id for row in run.generations.all()}) == 3


def test_it_takes_a_master_alone(ada: Any) -> None:
    assert started(ada, THREE[:1]).generations.count() == 1


def test_it_names_an_untitled_thread_after_its_first_prompt(ada: Any) -> None:
    thread = create_thread(ada)
    started(ada, thread=thread, prompt="  What is\n a fugue? ")
    assert fresh(thread).title == "What is a fugue?"


def test_it_gives_the_run_a_deadline_by_the_clock_of_the_database(ada: Any, settings: Any) -> None:
    settings.RUN_TIMEOUT = 100
    run = fresh(started(ada))
    assert 99 < (run.deadline_at - run.created_at).total_seconds() < 102


def test_it_tells_the_sockets_only_after_the_commit(
    ada: Any, said: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as told:
        run = started(ada)
    assert said == []
    for tell in told:
        tell()
    assert [event.run["id"] for event in said if isinstance(event, RunStarted)] == [str(run.pk)]


@pytest.mark.parametrize(
    ("prompt", "chosen", "sentence"),
    [
        ("", (THREE[0],), "The prompt is empty"),
        (" \n\t\u2003", (THREE[0],), "The prompt is empty"),
        ("a\x00b", (THREE[0],), "NUL or half of a character"),
        ("a\ud83db", (THREE[0],), "NUL or half of a character"),
        ("x" * 21, (THREE[0],), "has 21 characters; the limit is 20. Shorten it."),
        ("Why?", ("",), "No master is chosen"),
        ("Why?", ("swift:tow",), "There is no model “swift:tow”. Did you mean swift:two?"),
        ("Why?", ("zzzzzz",), "Choose one from the list of models."),
        (
            "Why?",
            (
                THREE[0],
                "lost:key",
            ),
            "Lost cannot be asked: its provider is not configured. Set LOST_API_KEY",
        ),
        ("Why?", (THREE[0], *(THREE[1],) * 3), "4 models are chosen; at most 3 can answer one prompt"),
    ],
)
def test_it_refuses_what_cannot_be_asked_and_leaves_nothing(
    ada: Any, settings: Any, prompt: str, chosen: tuple[str, ...], sentence: str
) -> None:
    settings.PROMPT_MAX_CHARS, settings.MODELS_PER_RUN_MAX = 20, 3
    thread = create_thread(ada)
    before = counts()
    with pytest.raises(ValidationError) as refused:
        ask(ada, thread, prompt, *chosen)
    assert sentence in " ".join(refused.value.messages)
    assert counts() == before


def test_it_takes_every_text_that_can_be_stored(ada: Any) -> None:
    for prompt in ("שלום\u202e evil", "z" + "\u0301" * 5000, "👩‍👩‍👧‍👦" * 1000, "\u0007\ufeff\uffff"):
        assert fresh(started(ada, prompt=prompt).prompt).content == prompt


def test_it_refuses_a_second_run_while_one_is_active(ada: Any) -> None:
    run = started(ada)
    before = counts()
    with pytest.raises(ThreadBusy):
        started(ada, thread=run.thread)
    assert counts() == before


def test_it_takes_the_next_prompt_once_the_run_has_ended(ada: Any) -> None:
    first = completed(ada)
    second = started(ada, thread=first.thread)
    assert second.prompt.parent_id == first.final_id


def test_it_refuses_a_thread_that_was_deleted(ada: Any) -> None:
    thread = create_thread(ada)
    gone = Thread.objects.get(pk=thread.pk)
    thread.delete()
    before = counts()
    with pytest.raises(Thread.DoesNotExist):
        started(ada, thread=gone)
    assert counts() == before


def test_the_same_key_with_the_same_content_is_the_same_run(ada: Any) -> None:
    thread = create_thread(ada)
    first, new = ask(ada, thread, "Why?", *THREE, key="k-1")
    again, newer = ask(ada, thread, "Why?", *THREE, key="k-1")
    assert (new, newer, again.pk) == (True, False, first.pk)
    assert MultiModelRun.objects.count() == 1


@pytest.mark.parametrize("other", [("How?", *THREE), ("Why?", THREE[1], *THREE[1:]), ("Why?", *THREE[:2])])
def test_the_same_key_with_other_content_is_refused(ada: Any, other: tuple[Any, ...]) -> None:
    thread = create_thread(ada)
    ask(ada, thread, "Why?", *THREE, key="k-1")
    before = counts()
    with pytest.raises(KeyReused):
        ask(ada, thread, *other, key="k-1")
    assert counts() == before


def test_the_same_key_in_another_thread_is_refused(ada: Any) -> None:
    ask(ada, create_thread(ada), "Why?", THREE[0], key="k-1")
    with pytest.raises(KeyReused):
        ask(ada, create_thread(ada), "Why?", THREE[0], key="k-1")


def test_two_people_may_use_the_same_key(ada: Any, bob: Any) -> None:
    for person in (ada, bob):
        _run, new = ask(person, create_thread(person), "Why?", THREE[0], key="k-1")
        assert new


def test_a_key_that_cannot_be_stored_is_refused(ada: Any) -> None:
    for key in ("k" * 201, "k\x00"):
        with pytest.raises(ValidationError):
            ask(ada, create_thread(ada), "Why?", THREE[0], key=key)


def test_a_failure_in_the_middle_leaves_nothing(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = create_thread(ada)
    before = counts()

    def away(*_: Any) -> None:
        raise RuntimeError("power")

    monkeypatch.setattr(Generation.objects, "bulk_create", away)
    with pytest.raises(RuntimeError), transaction.atomic():
        started(ada, thread=thread)
    assert counts() == before


def test_a_thread_that_only_the_constraint_knows_to_be_busy_stays_as_it_was(
    ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other prompt came between, and may have been answered by the time one looks."""
    thread = started(ada).thread
    before, rows = (thread.tip_id, thread.title), counts()
    monkeypatch.setattr(start, "RUN_ACTIVE", ())
    with pytest.raises(ThreadBusy):
        ask(ada, thread, "And?", *THREE)
    assert (thread.tip_id, thread.title) == before
    assert counts() == rows


@pytest.mark.django_db(transaction=True)
def test_of_two_prompts_at_the_same_moment_one_is_taken(ada: Any, said: list[Any]) -> None:
    thread = create_thread(ada)
    results = race(*[lambda: started(ada, thread=thread)] * 4)
    runs = [result for result in results if isinstance(result, MultiModelRun)]
    assert len(runs) == 1
    assert [type(result) for result in results if result not in runs] == [ThreadBusy] * 3
    assert (Message.objects.count(), MultiModelRun.objects.count(), Generation.objects.count()) == (1, 1, 3)


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_with_one_key_at_the_same_moment_both_get_one_run(ada: Any, said: list[Any]) -> None:
    thread = create_thread(ada)
    key = str(uuid.uuid4())
    results = race(*[lambda: ask(ada, thread, "Why?", *THREE, key=key)] * 4)
    assert len({run.pk for run, _new in results}) == 1
    assert sorted(new for _run, new in results) == [False, False, False, True]
