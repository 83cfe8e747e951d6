"""A turn as the page shows it: the prompt, a card for each model, and what became of the final answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from runs.drafts import why_missing
from runs.events import GenerationView, RunView, Snapshot
from runs.models import GENERATION_ACTIVE, RUN_ACTIVE, Generation, GenerationStatus, Outcome, RunStatus
from threads.branches import Branches, Versions
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
    """Whether no later prompt follows it: only then can it be tried again."""
    versions: Versions
    """The prompts that stand in its place: it, and those that it was edited to."""
    after: str
    """The prompt before it; empty for the first one."""
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """What the reader thinks of its texts, by generation."""

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
    def synthesis(self) -> GenerationView | None:
        """The version of the final answer that counts."""
        return next((view for view in self.run["generations"] if view["kind"] == Generation.Kind.SYNTHESIS), None)

    @property
    def version(self) -> GenerationView | None:
        """A further version of the final answer that is being written."""
        return next((view for view in self.run["versions"] if view["status"] in GENERATION_ACTIVE), None)

    @property
    def given_up(self) -> GenerationView | None:
        """The newest version, if it could not be written."""
        newest = max(self.run["versions"], key=lambda view: view["version"], default=None)
        return newest if newest and newest["status"] in (GenerationStatus.FAILED, GenerationStatus.CANCELLED) else None

    @property
    def chosen(self) -> GenerationView | None:
        """The draft that a person made the final answer."""
        return next((view for view in self.candidates if view["id"] == self.run["chosen"]), None)

    @property
    def final(self) -> GenerationView | None:
        """The generation whose text stands in the place of the final answer, once there is one."""
        if self.solo:
            return self.candidates[0]
        return self.version or self.chosen or self.synthesis

    @property
    def author(self) -> GenerationView | None:
        """Whose text the final answer is that stands, also while another version is being written."""
        if self.solo:
            return self.candidates[0]
        single = self.run["outcome"] == Outcome.SINGLE and self.drafts
        return self.drafts[0] if single else self.chosen or self.synthesis

    @property
    def author_label(self) -> str:
        """What people call the model whose text the final answer is."""
        return self.author["model"]["label"] if self.author else ""

    @property
    def slot(self) -> str:
        """The generation whose pieces go to the place of the final answer; a draft's go to its card."""
        if self.solo:
            return self.candidates[0]["id"]
        writer = self.version or (None if self.chosen else self.synthesis)
        return writer["id"] if writer else ""

    @property
    def pages(self) -> list[str]:
        """The texts between which the reader can choose: each version that is whole, then a draft that was chosen."""
        versions = [*self.run["versions"], *([self.synthesis] if self.synthesis else [])]
        whole = [view for view in versions if view["status"] == GenerationStatus.COMPLETED]
        pages = [view["id"] for view in sorted(whole, key=lambda view: view["version"])]
        return [*pages, self.chosen["id"]] if self.chosen else pages

    @property
    def page(self) -> int:
        """The number of the one that counts, from 1 on; 0 when there is no choice."""
        counts = self.chosen or self.synthesis
        return self.pages.index(counts["id"]) + 1 if counts and counts["id"] in self.pages else 0

    @property
    def page_before(self) -> str:
        """The text before the one that counts."""
        return self.pages[self.page - 2] if self.page > 1 else ""

    @property
    def page_after(self) -> str:
        """The text after it."""
        return self.pages[self.page] if 0 < self.page < len(self.pages) else ""

    @property
    def can_be_rewritten(self) -> bool:
        """Whether another version can be written: there is an answer, and more than one draft for it."""
        drafts = [view for view in self.cards if view["status"] == GenerationStatus.COMPLETED]
        return self.run["status"] == RunStatus.COMPLETED and len(drafts) > 1

    @property
    def folded(self) -> bool:
        """Whether the cards give way to the final answer, until somebody wants to see them."""
        return bool(self.cards and self.final_text) and self.run["status"] not in (
            RunStatus.FAILED,
            RunStatus.CANCELLED,
        )

    @property
    def final_status(self) -> str:
        """How far the final answer is; empty while nobody writes it."""
        if self.run["status"] == RunStatus.COMPLETED and not self.version:
            return GenerationStatus.COMPLETED
        return self.final["status"] if self.final else ""

    @property
    def final_state(self) -> str:
        """What people see of how far it is."""
        return state_of(self.final) if self.final and self.final_status == self.final["status"] else self.final_status

    @property
    def final_text(self) -> str:
        """The final answer as far as it has come."""
        if self.version:
            return self.version["text"] or ""
        return self.answer or ((self.final["text"] or "") if self.final else "")

    @property
    def drafts(self) -> list[GenerationView]:
        """The answers from which the final one was written, or is going to be."""
        return [view for view in self.candidates if not self._why_missing(view)]

    @property
    def used(self) -> list[GenerationView]:
        """The answers on which the final one rests: these drafts, or the one that a person chose."""
        return [self.chosen] if self.chosen else self.drafts

    @property
    def missing(self) -> list[Missing]:
        """Who is not part of the final answer, and why."""
        return [Missing(view["model"]["label"], why) for view in self.candidates if (why := self._why_missing(view))]

    @property
    def writing(self) -> list[GenerationView]:
        """Who is still to come to an end."""
        return [view for view in self.candidates if view["status"] in GENERATION_ACTIVE]

    @property
    def can_begin(self) -> bool:
        """Whether the final answer can be written now, without those who are still writing."""
        return self.run["status"] == RunStatus.ANSWERING and bool(self.drafts and self.writing)

    @property
    def patience(self) -> float | None:
        """Seconds for which the others are still waited for; ``None`` when they are waited for to the end."""
        end = parse_datetime(self.run["soft_deadline_at"] or "")
        return max((end - timezone.now()).total_seconds(), 0) if end else None

    @property
    def one_by_one(self) -> bool:
        """Whether a model of it can be asked anew by itself."""
        return self.newest or self.run["status"] not in (RunStatus.FAILED, RunStatus.CANCELLED)

    @property
    def done(self) -> int:
        """How many cards hold a whole answer."""
        return sum(view["status"] == GenerationStatus.COMPLETED for view in self.candidates)

    @property
    def failed(self) -> int:
        """How many cards say why they have none."""
        return sum(view["status"] == GenerationStatus.FAILED for view in self.candidates)

    @property
    def late(self) -> int:
        """How many cards hold an answer that came after the final one had begun."""
        return sum(view["late"] for view in self.candidates)

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
        """What all models wrote, as far as they counted; masters that gave up are not among them."""
        return sum(view["tokens_out"] or 0 for view in self._texts)

    @property
    def cost(self) -> Decimal:
        """US dollars, as far as prices are known."""
        return sum((Decimal(view["cost"] or 0) for view in self._texts), Decimal())

    @property
    def _texts(self) -> list[GenerationView]:
        return [*self.run["generations"], *self.run["versions"]]

    @property
    def face(self) -> str:
        """What the server's wording of this turn depends on: when it changes, the page asks for the wording again.

        The page computes the same (``faceOf`` in ``turn.js``), since the words about one generation do not tell its
        run. Until the final answer begins, the page counts by itself how far the models are.
        """
        run = self.run
        stopping = "stopping" if run["cancel_requested"] else ""
        asked = "asked" if run["synthesis_requested"] else ""
        marks = [] if run["status"] in (RunStatus.QUEUED, RunStatus.ANSWERING) else map(_mark, self.candidates)
        versions = [f"v{view['version']}-{view['status']}" for view in run["versions"]]
        chosen = [run["chosen"]] if run["chosen"] else []
        told = [run["status"], run["outcome"], stopping, asked, str(len(run["gave_up"]))]
        return "/".join([*told, *marks, *versions, *chosen])

    def _why_missing(self, view: GenerationView) -> str:
        """Why a model's answer is not part of the final one: the letters say which ones the master was given."""
        if view["label"]:
            return ""
        written = self.synthesis is not None and self.synthesis["status"] == GenerationStatus.COMPLETED
        error = view["error"]["message"] if view["error"] else ""
        late = view["late"] or written
        return why_missing(view["status"], view["finish_reason"], view["text"] or "", error, late=late)


def turns_of(snapshot: Snapshot, branches: Branches, verdicts: Mapping[str, str] | None = None) -> list[Turn]:
    """The turns of a snapshot, oldest first; ``verdicts`` are what the reader thinks of their texts."""
    prompts = {view["id"]: view["content"] for view in snapshot.messages if view["kind"] == Message.Kind.PROMPT}
    answers = {view["id"]: view["content"] for view in snapshot.messages if view["kind"] == Message.Kind.FINAL}
    followed = set(branches.before.values())
    return [
        Turn(
            run=run,
            prompt=prompts.get(run["prompt"], ""),
            answer=answers.get(run["final"] or "", ""),
            newest=UUID(run["prompt"]) not in followed,
            versions=branches.versions(UUID(run["prompt"])),
            after=str(branches.before[UUID(run["prompt"])] or ""),
            verdicts=verdicts or {},
        )
        for run in snapshot.runs
    ]


def state_of(view: GenerationView) -> str:
    """Its status, told apart where people see a difference."""
    if view["status"] == GenerationStatus.QUEUED and view["waiting_for"]:
        return "waiting"
    if view["status"] == GenerationStatus.STREAMING and view["reasoning"] and not view["text"]:
        return "thinking"
    # One that came late to the first version may be part of a later one.
    late = view["late"] and not view["label"] and view["status"] == GenerationStatus.COMPLETED
    return "late" if late else view["status"]


def can_be_asked_again(view: GenerationView) -> bool:
    """Whether it has ended without a draft."""
    error = view["error"]["message"] if view["error"] else ""
    missing = why_missing(view["status"], view["finish_reason"], view["text"] or "", error)
    return view["status"] not in GENERATION_ACTIVE and bool(missing)


def _mark(view: GenerationView) -> str:
    """What is said of a model beside the final answer depends on this."""
    status = "active" if view["status"] in GENERATION_ACTIVE else view["status"]
    return f"{status}-{view['error']['code'] if view['error'] else ''}-{'late' if view['late'] else ''}"
