"""What must hold of every run, whatever happened while it ran; judged from the outside.

From the rows of the database, from the book of the server that plays the vendors, and from what real clients show.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults import journal
from tests.faults.rows import ENDED, Generation, Run
from tests.wire.telling import source_of


@dataclass(frozen=True)
class Broken:
    """One promise that was not kept."""

    kind: str
    """``lost``, ``duplicated``, ``mixed``, ``fenced``, ``overcalled``, ``diverged`` or ``failed``."""
    about: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.about}: {self.sentence}"


def broken(runs: Iterable[Run], tokens: Iterable[str], book: list[dict[str, Any]]) -> list[Broken]:
    """Every promise that is broken for the runs whose prompts were given these tokens."""
    runs = list(runs)
    found = [Broken(kind, str(run), sentence) for run in runs for kind, rule in _RULES for sentence in rule(run)]
    found += _each_prompt_once(runs, tokens)
    calls = Counter((call["token"], call["model"], call["part"]) for call in book)
    return found + [Broken("overcalled", str(run), sentence) for run in runs for sentence in _calls(run, calls)]


def _each_prompt_once(runs: list[Run], tokens: Iterable[str]) -> Iterator[Broken]:
    made = Counter(run.token for run in runs)
    for token in tokens:
        if made[token] == 0:
            yield Broken("lost", f"prompt #{token}", "it was accepted, and there is no run")
        elif made[token] > 1:
            yield Broken("duplicated", f"prompt #{token}", f"it was asked once, and there are {made[token]} runs")


def _ended(run: Run) -> Iterator[str]:
    if run.status not in ENDED:
        states = [f"{generation.kind} {generation.model} {generation.status}" for generation in run.generations]
        yield f"the run did not end ({', '.join(states)})"
    for generation in run.generations:
        if run.status in ENDED and generation.status not in ENDED:
            yield f"{generation.kind} {generation.model} is still {generation.status}"


def _messages(run: Run) -> Iterator[str]:
    kinds = Counter(message.kind for message in run.messages)
    if kinds["prompt"] != 1:
        yield f"{kinds['prompt']} prompts"
    finals = [message for message in run.messages if message.kind == "final"]
    wanted = 1 if run.status == "completed" else 0
    if len(finals) != wanted:
        yield f"{len(finals)} final answers"
    elif finals and finals[0].id != run.final:
        yield "the final answer is not the run's own"
    for generation in _drafts(run):
        drafts = [each for each in run.messages if each.kind == "draft" and each.thread == generation.thread]
        if len(drafts) != (generation.status == "completed"):
            yield f"{len(drafts)} drafts of {generation.model}, which is {generation.status}"
        elif drafts and drafts[0].id != generation.message:
            yield f"the draft of {generation.model} is not its own"


def _same_texts(run: Run) -> Iterator[str]:
    contents = {message.id: message.content for message in run.messages}
    for generation in _drafts(run):
        if generation.message and contents.get(generation.message) != generation.text:
            yield f"the draft of {generation.model} is not what it wrote"
    if run.final and contents.get(run.final) != _author(run).text:
        yield "the final answer is not what its author wrote"
    for synthesis in run.generations:
        if synthesis.kind == "synthesis" and synthesis.status == "completed":
            yield from _missing_in_prompt(run, synthesis)


def _missing_in_prompt(run: Run, synthesis: Generation) -> Iterator[str]:
    """The master must have read each draft whole."""
    asked = synthesis.sent_prompt[-1]["content"]
    labelled = {draft.replace("-", "") for draft in synthesis.labels.values()}
    for generation in _drafts(run):
        if generation.id in labelled and f">\n{generation.text}\n<" not in asked:
            yield f"the master did not read the draft of {generation.model} as it stands"


def _texts(run: Run) -> Iterator[str]:
    """A text comes from one request, and is whole when its generation is completed."""
    for generation in run.generations:
        told = source_of(generation.text)
        where = f"{generation.kind} {generation.model}"
        if not told:
            if _tells(generation) and (generation.text or generation.status == "completed"):
                yield f"{where} ({generation.status}) holds {generation.text[:80]!r}"
            continue
        source, whole = told
        slot = generation.model.partition("@")[2]
        if (source.token, source.part, source.slot) != (run.token, generation.kind, slot):
            yield f"{where} holds the text of {source}"
        if not whole.startswith(generation.text):
            yield f"{where} is mixed: {generation.text!r}"
        elif generation.status == "completed" and generation.text != whole:
            yield f"{where} is completed and not whole: {len(generation.text)} of {len(whole)} characters"


def _journal(run: Run) -> Iterator[str]:
    for generation in run.generations:
        entries = [entry for entry in run.entries if entry.generation == generation.id]
        for _, sentence in journal.broken_rules(entries):
            yield f"{generation.kind} {generation.model}: {sentence}"


def _steps(run: Run) -> Iterator[str]:
    yield from journal.broken_steps(run.steps)


def _calls(run: Run, calls: Counter[tuple[str, ...]]) -> Iterator[str]:
    attempts: Counter[tuple[str, ...]] = Counter()
    for generation in run.generations:
        attempts[run.token, generation.model.partition(":")[2], generation.kind] += generation.attempt
    for what, tried in attempts.items():
        if calls[what] > tried:
            yield f"{what[1]} was called {calls[what]} times as {what[2]} in {tried} attempts"


_RULES: list[tuple[str, Callable[[Run], Iterator[str]]]] = [
    ("lost", _ended),
    ("duplicated", _messages),
    ("mixed", _texts),
    ("mixed", _same_texts),
    ("fenced", _journal),
    ("fenced", _steps),
]


def _drafts(run: Run) -> list[Generation]:
    return [generation for generation in run.generations if generation.kind == "candidate"]


def _author(run: Run) -> Generation:
    """Whose text the final answer is: a draft that was chosen, the current synthesis, or the only draft in time."""
    if run.chosen:
        return next(each for each in _drafts(run) if each.id == run.chosen)
    syntheses = [each for each in run.generations if each.kind == "synthesis" and each.current]
    completed = [each for each in _drafts(run) if each.status == "completed" and not each.late]
    return (syntheses or completed)[0]


def _tells(generation: Generation) -> bool:
    return generation.model.partition(":")[2].startswith("tell-")
