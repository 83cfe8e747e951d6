"""A journal that the database itself keeps of every change of a generation, and what must hold for each entry.

A row shows only how it ended. The journal shows what was written on the way: a text that was spliced for a moment, a
step that the status machine does not know, a write by somebody whose lease was over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.product import Product
from tests.wire.telling import source_of

COLUMNS = "generation, status, attempt, owner, text, at"

# The states of docs/architecture.md; a generation may also be written to without a change of its state.
STEPS: dict[str, set[str]] = {
    "queued": {"streaming", "failed", "cancelled"},
    "streaming": {"queued", "completed", "failed", "cancelled"},
    "completed": {"queued"},
    "failed": {"queued"},
    "cancelled": {"queued"},
}
"""A generation that has ended is queued again only when a person asks for it."""
RUN_STEPS: dict[str, set[str]] = {
    "queued": {"answering", "completed", "failed", "cancelled"},
    "answering": {"synthesizing", "completed", "failed", "cancelled"},
    "synthesizing": {"completed", "failed", "cancelled"},
    "completed": set(),
    "failed": {"queued", "answering", "completed"},
    "cancelled": {"queued", "answering", "completed"},
}
"""A run that waits, or has ended without an answer, is completed by a person who chooses a draft for it."""


@dataclass(frozen=True)
class Entry:
    """A generation as it stood after one write."""

    id: int
    generation: str
    status: str
    attempt: int
    owner: str
    """Whose lease it is; empty when nobody holds it."""
    text: str
    at: float


@dataclass(frozen=True)
class Step:
    """A run as it stood after one write."""

    id: int
    run: str
    status: str
    at: float


def install(product: Product) -> None:
    """Let the database write the journal from now on."""
    sqlite = product.environment["DATABASE_URL"].startswith("sqlite")
    with product.database() as database:
        for statement in _on_sqlite() if sqlite else _on_postgresql():
            database.execute(statement)


def read(product: Product) -> list[Entry]:
    """What was written of generations."""
    return [Entry(*row) for row in product.rows(f"SELECT id, {COLUMNS} FROM faults_journal ORDER BY id")]


def steps(product: Product) -> list[Step]:
    """What was written of runs."""
    return [Step(*row) for row in product.rows("SELECT id, run, status, at FROM faults_steps ORDER BY id")]


def broken_rules(entries: list[Entry]) -> Iterator[tuple[str, str]]:
    """Each rule that the entries of one generation break: the generation, and a sentence."""
    owners: set[str] = set()
    sources: dict[int, object] = {}
    for entry in entries:
        told = source_of(entry.text)
        if told and sources.setdefault(entry.attempt, told[0]) != told[0]:
            yield entry.generation, f"attempt {entry.attempt} was {sources[entry.attempt]}, then {told[0]} ({entry.id})"
    for attempt, other in pairwise(sorted(sources)):
        if sources[attempt] == sources[other]:
            yield entries[0].generation, f"attempts {attempt} and {other} hold the same answer {sources[attempt]}"
    for before, after in pairwise(entries):
        for sentence in _broken(before, after):
            yield after.generation, f"{sentence} (entry {after.id}: {before.status} -> {after.status})"
        if after.owner and after.owner != before.owner:
            if after.owner in owners:
                yield after.generation, f"an owner came back (entry {after.id})"
            owners.add(after.owner)


def broken_steps(steps: list[Step]) -> Iterator[str]:
    """Each step of one run that its status machine does not know."""
    for before, after in pairwise(steps):
        if after.status != before.status and after.status not in RUN_STEPS[before.status]:
            yield f"a run went from {before.status} to {after.status}"


def _broken(before: Entry, after: Entry) -> Iterator[str]:
    if after.status != before.status and after.status not in STEPS[before.status]:
        yield "no such step"
    if bool(after.owner) != (after.status == "streaming"):
        yield "a lease without a stream, or a stream without a lease"
    begins = (before.status, after.status) == ("queued", "streaming")
    if begins and (after.attempt != before.attempt + 1 or after.text):
        yield "an attempt did not begin from nothing"
    if not begins and after.attempt != before.attempt:
        yield f"attempt {before.attempt} became {after.attempt} without a claim"
    if not begins and not after.text.startswith(before.text):
        yield f"a text did not grow: {before.text[-80:]!r} became {after.text[-80:]!r}"
    if before.status != "streaming" and not begins and after.text != before.text:
        yield "a text changed although nobody held its lease"
    if before.status == after.status == "streaming" and after.owner != before.owner:
        yield "the lease went from hand to hand"


_TABLES = (
    f"CREATE TABLE IF NOT EXISTS faults_journal (id %s PRIMARY KEY, {COLUMNS})",
    "CREATE TABLE IF NOT EXISTS faults_steps (id %s PRIMARY KEY, run TEXT, status TEXT, at REAL)",
)
_WRITES = {
    "runs_generation": f"""INSERT INTO faults_journal ({COLUMNS}) VALUES
        (REPLACE(CAST(NEW.id AS TEXT), '-', ''), NEW.status, NEW.attempt,
         COALESCE(REPLACE(CAST(NEW.lease_owner AS TEXT), '-', ''), ''), NEW.text, %s);""",
    "runs_multimodelrun": """INSERT INTO faults_steps (run, status, at) VALUES
        (REPLACE(CAST(NEW.id AS TEXT), '-', ''), NEW.status, %s);""",
}


def _on_sqlite() -> Iterator[str]:
    now = "(julianday('now') - 2440587.5) * 86400.0"
    for table in _TABLES:
        yield table % "INTEGER"
    for table, write in _WRITES.items():
        for event in ("INSERT", "UPDATE"):
            yield f"CREATE TRIGGER faults_{event}_{table} AFTER {event} ON {table} BEGIN {write % now} END"


def _on_postgresql() -> Iterator[str]:
    types = {"generation": "TEXT", "status": "TEXT", "attempt": "INTEGER", "owner": "TEXT", "text": "TEXT"}
    typed = ", ".join(f"{name} {types.get(name, 'FLOAT')}" for name in COLUMNS.split(", "))
    for table in _TABLES:
        yield table.replace(COLUMNS, typed).replace("REAL", "FLOAT") % "SERIAL"
    for table, write in _WRITES.items():
        body = write % "EXTRACT(EPOCH FROM clock_timestamp())"
        note = f"faults_note_{table}"
        yield f"CREATE FUNCTION {note}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"
        yield f"CREATE TRIGGER {note} AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {note}()"
