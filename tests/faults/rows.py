"""What the database holds of some runs, read past all of the product's code."""

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.faults import journal
from tests.faults.journal import Entry, Step
from tests.product import Product
from tests.wire.telling import TOKEN

ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Generation:
    """One row of it."""

    id: str
    run: str
    kind: str
    position: int
    version: int
    current: bool
    model: str
    thread: str
    message: str
    status: str
    attempt: int
    text: str
    error: str
    late: bool
    labels: Any
    sent_prompt: Any


@dataclass(frozen=True)
class Message:
    """One row of it."""

    id: str
    thread: str
    kind: str
    parent: str
    content: str


@dataclass
class Run:
    """One run with all that belongs to it."""

    id: str
    thread: str
    prompt: str
    final: str
    status: str
    outcome: str
    error: str
    chosen: str = ""
    token: str = ""
    generations: list[Generation] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    """The prompt, the finals behind it, and the drafts in its lanes and beside it."""
    entries: list[Entry] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def __str__(self) -> str:
        return f"run {self.id} (#{self.token}, {self.status}/{self.outcome}{self.error and f', {self.error}'})"


def read(product: Product, tokens: Collection[str], *, thread: str = "", history: bool = False) -> list[Run]:
    """The runs whose prompts carry these tokens, of one thread or of all; with what the journal says, if wanted."""
    where = f"WHERE {_id('thread_id')} = '{thread.replace('-', '')}'" if thread else ""
    ids, prompts = (f"(SELECT {name} FROM runs_multimodelrun {where})" for name in ("id", "prompt_id"))
    found = [Run(*row) for row in _select(product, _RUNS, f"runs_multimodelrun {where}")]
    belonging = f"threads_message WHERE id IN {prompts} OR parent_id IN {prompts}"
    messages = [Message(*row) for row in _select(product, _MESSAGES, belonging)]
    runs = _of(tokens, found, messages)
    _hand_out(runs, _generations(product, ids), messages)
    if history:
        _add_history(product, runs)
    return runs


def active(product: Product) -> set[str]:
    """The ids of the runs that have not ended, or that have a generation that has not."""
    ended = ", ".join(f"'{status}'" for status in ENDED)
    found = product.rows(
        f"SELECT {_id('id')} FROM runs_multimodelrun WHERE status NOT IN ({ended})"
        f" UNION SELECT {_id('run_id')} FROM runs_generation WHERE status NOT IN ({ended})"
    )
    return {run for (run,) in found}


def _of(tokens: Collection[str], runs: list[Run], messages: list[Message]) -> list[Run]:
    prompts = {message.id: message for message in messages}
    for run in runs:
        found = TOKEN.findall(prompts[run.prompt].content)
        run.token = found[-1] if found else ""
    return [run for run in runs if run.token in tokens]


def _generations(product: Product, runs: str) -> list[Generation]:
    rows = _select(product, _GENERATIONS, f"runs_generation WHERE run_id IN {runs}")
    return [
        Generation(*row, labels=json.loads(labels or "null"), sent_prompt=json.loads(sent or "null"))
        for *row, labels, sent in rows
    ]


def _hand_out(runs: list[Run], generations: list[Generation], messages: list[Message]) -> None:
    of_run, of_prompt = defaultdict(list), defaultdict(list)
    for generation in generations:
        of_run[generation.run].append(generation)
    for message in messages:
        of_prompt[message.id if message.kind == "prompt" else message.parent].append(message)
    for run in runs:
        run.generations, run.messages = of_run[run.id], of_prompt[run.prompt]


def _add_history(product: Product, runs: list[Run]) -> None:
    entries, steps = defaultdict(list), defaultdict(list)
    for entry in journal.read(product):
        entries[entry.generation].append(entry)
    for step in journal.steps(product):
        steps[step.run].append(step)
    for run in runs:
        run.steps = steps[run.id]
        run.entries = [entry for generation in run.generations for entry in entries[generation.id]]


def _id(column: str) -> str:
    """An identifier in the one form in which both databases are compared."""
    return f"COALESCE(REPLACE(CAST({column} AS TEXT), '-', ''), '')"


_RUNS = (*map(_id, ("id", "thread_id", "prompt_id", "final_id")), "status", "outcome", "error_code", _id("chosen_id"))
_MESSAGES = (_id("id"), _id("thread_id"), "kind", _id("parent_id"), "content")
_GENERATIONS = (
    *(_id("id"), _id("run_id"), "kind", "position", "version", "current", "model_id"),
    *(_id("thread_id"), _id("message_id"), "status", "attempt", "text", "error_code", "late"),
    *("CAST(labels AS TEXT)", "CAST(sent_prompt AS TEXT)"),
)


def _select(product: Product, columns: tuple[str, ...], rest: str) -> list[tuple[Any, ...]]:
    return product.rows(f"SELECT {', '.join(columns)} FROM {rest}")
