"""The judge itself: it has nothing to say about a good run, and something about each kind of a bad one."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.journal import Entry, Step, broken_rules
from tests.faults.promises import broken
from tests.faults.rows import Generation, Message, Run
from tests.wire.telling import Source

TOKEN = "a1b2c3d4"
MODEL = "wire:tell-4x1ms@a"


def told(request: int = 1, pieces: int = 4) -> str:
    return "".join(Source(TOKEN, "candidate", "a", request).pieces(4)[:pieces])


def good_run() -> Run:
    """One model alone, that needed two attempts."""
    generation = Generation(
        id="g",
        run="r",
        kind="candidate",
        position=0,
        version=1,
        current=True,
        model=MODEL,
        thread="t",
        message="d",
        status="completed",
        attempt=2,
        text=told(2),
        error="",
        late=False,
        labels=None,
        sent_prompt=None,
    )
    messages = [
        Message("p", "t", "prompt", "", f"What is #{TOKEN}?"),
        Message("d", "t", "draft", "p", told(2)),
        Message("f", "t", "final", "p", told(2)),
    ]
    statuses = ["queued", "answering", "synthesizing", "completed"]
    return Run(
        id="r",
        thread="t",
        prompt="p",
        final="f",
        status="completed",
        outcome="single",
        error="",
        token=TOKEN,
        generations=[generation],
        messages=messages,
        entries=journal(),
        steps=[Step(number, "r", status, number) for number, status in enumerate(statuses)],
    )


def journal() -> list[Entry]:
    rows = [
        ("queued", 0, "", ""),
        ("streaming", 1, "one", ""),
        ("streaming", 1, "one", told(1, 2)),
        ("queued", 1, "", told(1, 2)),
        ("streaming", 2, "two", ""),
        ("streaming", 2, "two", told(2, 3)),
        ("completed", 2, "", told(2)),
    ]
    return [Entry(number, "g", *row, at=float(number)) for number, row in enumerate(rows)]


def kinds(run: Run | None, calls: int = 2) -> set[str]:
    call = {"token": TOKEN, "model": MODEL.partition(":")[2], "part": "candidate"}
    return {each.kind for each in broken([run] if run else [], [TOKEN], [call] * calls)}


def sentences(run: Run) -> set[str]:
    return {each.sentence for each in broken([run], [TOKEN], [])}


def with_generation(run: Run, **changes: Any) -> Run:
    run.generations = [replace(run.generations[0], **changes)]
    return run


def test_a_good_run_is_good() -> None:
    assert kinds(good_run()) == set()


def test_a_run_that_is_not_there_is_lost() -> None:
    assert kinds(None) == {"lost"}


def test_a_run_that_does_not_end_is_lost() -> None:
    run = good_run()
    run.status, run.final, run.messages = "answering", "", run.messages[:2]
    assert "lost" in kinds(run)


@pytest.mark.parametrize("kind", ["draft", "final", "prompt"])
def test_a_message_too_many_is_a_duplicate(kind: str) -> None:
    run = good_run()
    run.messages = [*run.messages, Message("x", "t", kind, "p", told(2))]
    assert kinds(run) == {"duplicated"}


def test_a_completed_run_without_its_answer_is_seen() -> None:
    run = good_run()
    run.messages = run.messages[:2]
    assert "duplicated" in kinds(run)


@pytest.mark.parametrize("text", [told(2, 3), told(1, 2) + told(2)[len(told(2, 2)) :], told(2) + "!", "nonsense"])
def test_a_text_that_is_cut_spliced_or_strange_is_mixed(text: str) -> None:
    assert "mixed" in kinds(with_generation(good_run(), text=text))


def test_a_final_answer_that_nobody_wrote_is_mixed() -> None:
    run = good_run()
    run.messages[2] = replace(run.messages[2], content=told(1))
    assert kinds(run) == {"mixed"}


def test_the_answer_may_be_a_draft_that_a_person_chose_and_no_other() -> None:
    run = good_run()
    other = replace(run.generations[0], id="h", text="Another text", late=True)
    run.generations = [other, *run.generations]
    run.chosen = "g"
    assert "the final answer is not what its author wrote" not in sentences(run)
    run.chosen = "h"
    assert "the final answer is not what its author wrote" in sentences(run)


def test_more_calls_than_attempts_are_seen() -> None:
    assert kinds(good_run(), calls=3) == {"overcalled"}


def test_a_run_that_goes_back_is_seen() -> None:
    run = good_run()
    run.steps = [*run.steps, Step(9, "r", "answering", 9)]
    assert kinds(run) == {"fenced"}


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (1, {"attempt": 2}),
        (1, {"text": told(1, 1)}),
        (2, {"owner": "two"}),
        (3, {"owner": "one"}),
        (4, {"owner": "one"}),
        (5, {"text": told(1, 2)}),
        (5, {"attempt": 3}),
        (6, {"text": told(2, 2)}),
        (6, {"status": "queued", "attempt": 1}),
    ],
)
def test_a_write_that_breaks_a_rule_is_found_in_the_journal(number: int, changes: dict[str, Any]) -> None:
    entries = journal()
    assert list(broken_rules(entries)) == []
    entries[number] = replace(entries[number], **changes)
    assert list(broken_rules(entries))


def test_a_write_after_the_end_is_found_in_the_journal() -> None:
    late = Entry(9, "g", "completed", 2, "", told(1, 2), 9.0)
    assert list(broken_rules([*journal(), late]))
