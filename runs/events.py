"""All words that a thread's socket can say. The page, other clients and the schema of the protocol rest on this module.

A frame may be lost: whoever misses a ``generation.delta`` sees a gap in the offsets and asks for a ``snapshot``, and
the event that ends a generation carries its whole text.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypedDict

from threads.events import Event, MessageCreated, MessageView, ThreadUpdated, ThreadView


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
    model: ModelView
    status: str
    attempt: int
    text: str | None
    """``None`` where a run comes without its texts: the text is what the client has."""
    finish_reason: str
    error: ErrorView | None
    label: str | None
    """The letter under which a draft stood in the synthesis; known once the synthesis has begun."""
    tokens_in: int | None
    tokens_out: int | None
    cost: str | None
    """US dollars."""
    first_token_seconds: float | None
    seconds: float | None
    started_at: str | None


class RunView(TypedDict):
    """A run as a client sees it."""

    id: str
    thread: str
    prompt: str
    final: str | None
    master: ModelView
    status: str
    outcome: str
    error: ErrorView | None
    cancel_requested: bool
    created_at: str
    ended_at: str | None
    generations: list[GenerationView]


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


@dataclass(frozen=True, slots=True)
class GenerationRestarted(Event):
    """A new attempt begins, from an empty text."""

    type: ClassVar[Literal["generation.restarted"]] = "generation.restarted"
    run: str
    generation: str
    attempt: int


@dataclass(frozen=True, slots=True)
class GenerationRequeued(Event):
    """An attempt broke off; another one is waiting to begin. The error, if there was one, says why."""

    type: ClassVar[Literal["generation.requeued"]] = "generation.requeued"
    run: str
    generation: GenerationView


@dataclass(frozen=True, slots=True)
class GenerationDelta(Event):
    """A piece of text. ``offset`` is where it begins, in UTF-16 code units (what JavaScript calls length)."""

    type: ClassVar[Literal["generation.delta"]] = "generation.delta"
    run: str
    generation: str
    attempt: int
    offset: int
    text: str


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
    """Every draft has ended; the master is about to write. The run's view names the letters."""

    type: ClassVar[Literal["run.synthesizing"]] = "run.synthesizing"
    run: RunView


@dataclass(frozen=True, slots=True)
class RunCompleted(Event):
    """The final answer stands in the thread."""

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
    GenerationDelta,
    GenerationRequeued,
    GenerationRestarted,
    GenerationCompleted,
    GenerationFailed,
    GenerationCancelled,
    RunSynthesizing,
    RunCompleted,
    RunFailed,
    RunCancelled,
    MessageCreated,
    ThreadUpdated,
)
