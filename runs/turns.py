"""A turn as the page shows it: the prompt, a card for each model, and what became of the final answer."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from runs.drafts import why_missing
from runs.events import GenerationView, RunView, Snapshot
from runs.models import RUN_ACTIVE, Generation, GenerationStatus, Outcome, RunStatus
from threads.models import Message


@dataclass(frozen=True, slots=True)
class Missing:
    """A model whose answer is not part of the final one."""

    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One run with its two messages; its properties are what the templates ask."""

    run: RunView
    prompt: str
    answer: str
    """The final answer; empty until there is one."""
    newest: bool
    """Whether no later prompt stands in its thread: only then can it be tried again."""

    @property
    def active(self) -> bool:
        """Whether it can still be stopped."""
        return self.run["status"] in RUN_ACTIVE

    @property
    def candidates(self) -> list[GenerationView]:
        """The cards, master first."""
        return [view for view in self.run["generations"] if view["kind"] == Generation.Kind.CANDIDATE]

    @property
    def solo(self) -> bool:
        """One model alone: its answer is the final one and needs no card of its own."""
        return len(self.candidates) == 1

    @property
    def cards(self) -> list[GenerationView]:
        """The models that answer side by side."""
        return [] if self.solo else self.candidates

    @property
    def final(self) -> GenerationView | None:
        """The generation that writes the final answer, once there is one."""
        if self.solo:
            return self.candidates[0]
        return next((view for view in self.run["generations"] if view["kind"] == Generation.Kind.SYNTHESIS), None)

    @property
    def final_status(self) -> str:
        """How far the final answer is; empty while nobody writes it."""
        if self.run["status"] == RunStatus.COMPLETED:
            return GenerationStatus.COMPLETED
        return self.final["status"] if self.final else ""

    @property
    def final_text(self) -> str:
        """The final answer as far as it has come."""
        return self.answer or ((self.final["text"] or "") if self.final else "")

    @property
    def drafts(self) -> list[GenerationView]:
        """The answers that the final one rests on."""
        return [view for view in self.candidates if not _why_missing(view)]

    @property
    def missing(self) -> list[Missing]:
        """Who is not part of the final answer, and why."""
        return [Missing(view["model"]["label"], why) for view in self.candidates if (why := _why_missing(view))]

    @property
    def author(self) -> str:
        """Whose words the final answer is."""
        if self.run["outcome"] == Outcome.SINGLE and self.drafts:
            return self.drafts[0]["model"]["label"]
        return self.run["master"]["label"]

    @property
    def done(self) -> int:
        """How many cards hold a whole answer."""
        return sum(view["status"] == GenerationStatus.COMPLETED for view in self.candidates)

    @property
    def failed(self) -> int:
        """How many cards say why they have none."""
        return sum(view["status"] == GenerationStatus.FAILED for view in self.candidates)

    @property
    def seconds(self) -> float | None:
        """From the prompt to the end of the run."""
        begin, end = parse_datetime(self.run["created_at"]), parse_datetime(self.run["ended_at"] or "")
        return (end - begin).total_seconds() if begin and end else None

    @property
    def elapsed(self) -> float:
        """Seconds since the prompt."""
        begin = parse_datetime(self.run["created_at"])
        return (timezone.now() - begin).total_seconds() if begin else 0

    @property
    def tokens(self) -> int:
        """What all models wrote, as far as they counted."""
        return sum(view["tokens_out"] or 0 for view in self.run["generations"])

    @property
    def cost(self) -> Decimal:
        """US dollars, as far as prices are known."""
        return sum((Decimal(view["cost"] or 0) for view in self.run["generations"]), Decimal())

    @property
    def face(self) -> str:
        """What the server's wording of this turn depends on: when it changes, the page asks for the wording again."""
        stopping = "stopping" if self.run["cancel_requested"] else ""
        return "/".join([self.run["status"], self.run["outcome"], stopping])


def turns_of(snapshot: Snapshot, newest: UUID | None) -> list[Turn]:
    """The turns of a snapshot, oldest first; ``newest`` is the last run of the thread."""
    prompts = {view["id"]: view["content"] for view in snapshot.messages if view["kind"] == Message.Kind.PROMPT}
    answers = {view["id"]: view["content"] for view in snapshot.messages if view["kind"] == Message.Kind.FINAL}
    return [
        Turn(
            run=run,
            prompt=prompts.get(run["prompt"], ""),
            answer=answers.get(run["final"] or "", ""),
            newest=run["id"] == str(newest),
        )
        for run in snapshot.runs
    ]


def _why_missing(view: GenerationView) -> str:
    error = view["error"]["message"] if view["error"] else ""
    return why_missing(view["status"], view["finish_reason"], view["text"] or "", error)
