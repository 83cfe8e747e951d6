"""All words that a thread's socket can say. The page, other clients and the schema of the protocol rest on this module.

A frame may be lost: whoever misses a ``generation.delta`` sees a gap in the offsets and asks for a ``snapshot``, and
the event that ends a generation carries its whole text.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import ClassVar, Literal, TypedDict
from uuid import UUID

from threads.events import Event, MessageCreated, MessageView, ThreadLive, ThreadUpdated, ThreadView


def stream_name(generation_id: UUID, attempt: int) -> str:
    """What one attempt's text is called on the socket of its thread: short, since it stands in every delta.

    It holds 48 random bits of the id, so among a thousand generations of a thread two would share them in one of 500
    million threads.
    """
    return urlsafe_b64encode(generation_id.bytes[:6]).decode() + str(attempt)


class ErrorView(TypedDict):
    """Why something failed: a word for programs, a sentence for people."""

    code: str
    message: str


class ModelView(TypedDict):
    """A model as a client shows it."""

    id: str
    label: str
    provider: str
    demo: bool


class GenerationView(TypedDict):
    """One model's text within a run, as a client sees it."""

    id: str
    run: str
    kind: str
    role: str
    position: int
    version: int
    current: bool
    """Whether it counts: a further version of the final answer does not until it is whole."""
    model: ModelView
    status: str
    attempt: int
    stream: str
    """What this attempt's text is called in a ``generation.delta``."""
    text: str | None
    """``None`` where a run comes without its texts: the text is what the client has."""
    reasoning: str | None
    """What the model thought aloud before its text; ``None`` where the text is."""
    reasoning_shortened: bool
    """It thought more than is kept."""
    reasoning_seconds: float | None
    """How long it thought; ``None`` while it does, or when it did not."""
    finish_reason: str
    error: ErrorView | None
    label: str | None
    """The letter under which a draft stood in the synthesis; known once the synthesis has begun."""
    late: bool
    """It came to its end after the final answer had begun, and is no part of it."""
    waiting_for: str | None
    """What people call its provider, while that one's limit of requests holds it up."""
    cancel_requested: bool
    tokens_in: int | None
    tokens_out: int | None
    cost: str | None
    """US dollars."""
    first_token_seconds: float | None
    seconds: float | None
    started_at: str | None


class GaveUpView(TypedDict):
    """A master that could not write the final answer, so that another one was asked."""

    model: ModelView
    error: ErrorView


class RunView(TypedDict):
    """A run as a client sees it."""

    id: str
    thread: str
    prompt: str
    final: str | None
    master: ModelView
    """Who writes the final answer: the chosen master, or the fallback that took over."""
    gave_up: list[GaveUpView]
    """The masters before it, in the order in which they were asked."""
    status: str
    outcome: str
    minimum: int
    """How many drafts the final answer needs at least."""
    soft_deadline_at: str | None
    """From then on the final answer begins without those who are still writing, once the minimum is there."""
    synthesis_requested: bool
    """Somebody asked for the final answer from the drafts that were there."""
    error: ErrorView | None
    cancel_requested: bool
    created_at: str
    ended_at: str | None
    generations: list[GenerationView]
    chosen: str | None
    """The draft that a person made the final answer; no synthesis counts then."""
    versions: list[GenerationView]
    """Other versions of the final answer: those that were written before, and one that is being written or was last
    given up."""


@dataclass(frozen=True, slots=True)
class Snapshot(Event):
    """The thread as it stands, or the part of it that one run makes; replaces whatever the client has of it."""

    type: ClassVar[Literal["snapshot"]] = "snapshot"
    thread: ThreadView
    messages: list[MessageView]
    runs: list[RunView]


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A prompt was saved and its models are about to answer."""

    type: ClassVar[Literal["run.started"]] = "run.started"
    run: RunView


@dataclass(frozen=True, slots=True)
class GenerationStarted(Event):
    """A worker asks the model for the first time."""

    type: ClassVar[Literal["generation.started"]] = "generation.started"
    run: str
    generation: str
    attempt: int
    stream: str


@dataclass(frozen=True, slots=True)
class GenerationRestarted(Event):
    """A new attempt begins, from an empty text."""

    type: ClassVar[Literal["generation.restarted"]] = "generation.restarted"
    run: str
    generation: str
    attempt: int
    stream: str


@dataclass(frozen=True, slots=True)
class GenerationRequeued(Event):
    """An attempt broke off; another one is waiting to begin. The error, if there was one, says why."""

    type: ClassVar[Literal["generation.requeued"]] = "generation.requeued"
    run: str
    generation: GenerationView


@dataclass(frozen=True, slots=True)
class GenerationWaiting(Event):
    """Its provider takes no more requests at the moment; it begins when one of them has ended."""

    type: ClassVar[Literal["generation.waiting"]] = "generation.waiting"
    run: str
    generation: GenerationView


@dataclass(frozen=True, slots=True)
class GenerationDelta(Event):
    """A piece of text, as a list without a type.

    ``stream`` names the attempt that it is of; ``offset`` is where it begins, in UTF-16 code units (what JavaScript
    calls length).
    """

    type: ClassVar[Literal["generation.delta"]] = "generation.delta"
    bare: ClassVar[bool] = True
    stream: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class GenerationReasoning(Event):
    """A piece of what the model thinks aloud before its text. Its offsets are counted apart from those of the text.

    ``shortened``: the model thinks more than is kept, and this is the last piece.
    """

    type: ClassVar[Literal["generation.reasoning"]] = "generation.reasoning"
    run: str
    generation: str
    attempt: int
    offset: int
    text: str
    shortened: bool


@dataclass(frozen=True, slots=True)
class GenerationBlock(Event):
    """A finished block of the text as safe HTML, for pages: ``start`` and ``end`` count as the offsets of deltas do.

    It says nothing that the text does not say; whoever shows plain text ignores it.
    """

    type: ClassVar[Literal["generation.block"]] = "generation.block"
    run: str
    generation: str
    attempt: int
    start: int
    end: int
    html: str


@dataclass(frozen=True, slots=True)
class GenerationCompleted(Event):
    """The whole text is here."""

    type: ClassVar[Literal["generation.completed"]] = "generation.completed"
    run: str
    generation: GenerationView


@dataclass(frozen=True, slots=True)
class GenerationFailed(Event):
    """It ended without its whole text."""

    type: ClassVar[Literal["generation.failed"]] = "generation.failed"
    run: str
    generation: GenerationView


@dataclass(frozen=True, slots=True)
class GenerationCancelled(Event):
    """A person stopped it."""

    type: ClassVar[Literal["generation.cancelled"]] = "generation.cancelled"
    run: str
    generation: GenerationView


@dataclass(frozen=True, slots=True)
class RunSynthesizing(Event):
    """The drafts are there; the master is about to write. The run's view names the letters.

    It is said again when a fallback takes over from a master that gave up.
    """

    type: ClassVar[Literal["run.synthesizing"]] = "run.synthesizing"
    run: RunView


@dataclass(frozen=True, slots=True)
class RunRevising(Event):
    """Another version of the final answer is about to be written; until it is whole the old one stands."""

    type: ClassVar[Literal["run.revising"]] = "run.revising"
    run: RunView


@dataclass(frozen=True, slots=True)
class RunCompleted(Event):
    """The final answer stands in the thread. Said again when another text takes its place."""

    type: ClassVar[Literal["run.completed"]] = "run.completed"
    run: RunView
    message: MessageView


@dataclass(frozen=True, slots=True)
class RunFailed(Event):
    """There is no final answer; the run's error says why."""

    type: ClassVar[Literal["run.failed"]] = "run.failed"
    run: RunView


@dataclass(frozen=True, slots=True)
class RunCancelled(Event):
    """A person stopped the run."""

    type: ClassVar[Literal["run.cancelled"]] = "run.cancelled"
    run: RunView


WORDS: tuple[type[Event], ...] = (
    Snapshot,
    RunStarted,
    GenerationStarted,
    GenerationReasoning,
    GenerationDelta,
    GenerationBlock,
    GenerationWaiting,
    GenerationRequeued,
    GenerationRestarted,
    GenerationCompleted,
    GenerationFailed,
    GenerationCancelled,
    RunSynthesizing,
    RunRevising,
    RunCompleted,
    RunFailed,
    RunCancelled,
    MessageCreated,
    ThreadUpdated,
    ThreadLive,
)
