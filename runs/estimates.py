"""What a question will cost and take, about, told before it is sent. What is not known is said to be unknown."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, Sum
from django.db.models.functions import Length

from runs import catalogue
from runs.actions import EVERYBODY, Quorum, TooManyRuns, may_begin
from runs.catalogue import Model
from runs.choices import Choice
from runs.models import Generation, GenerationStatus
from threads.branches import Branches
from threads.models import Message, Thread

CHARS_PER_TOKEN = 4
"""What vendors give as a rule of thumb; other scripts than Latin need more tokens."""
LATEST = 20
"""So many of a model's latest texts say what the next one will be like."""


@dataclass(frozen=True, slots=True)
class Habit:
    """What a model's latest texts took, in the median; ``None`` while nobody knows."""

    tokens_out: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TooLong:
    """A model that cannot read all of it."""

    label: str
    tokens: int
    window: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cost and time of one question."""

    cost: Decimal
    """US dollars of what can be priced."""
    unpriced: list[str]
    """Labels of the models whose cost nobody knows, in full or in part."""
    priced: bool
    """Whether the cost of anything is known."""
    seconds: float | None
    """Of those whose time is known."""
    untimed: list[str]
    """Labels of the models that have not answered here yet."""
    too_long: list[TooLong]
    too_many: bool
    """Whether the person has as many runs under way as one may have."""

    @property
    def nothing(self) -> bool:
        """Whether neither cost nor time of anything is known."""
        return not self.priced and self.seconds is None


def estimate(
    user: AbstractBaseUser, thread: Thread | None, choice: Choice, chars: int, quorum: Quorum = EVERYBODY
) -> Estimate:
    """What it takes to ask this choice of models a prompt of so many characters, after all that the thread holds."""
    models = [catalogue.describe(model_id) for model_id in (choice.master, *choice.secondaries)]
    tokens_in = _tokens(chars + (_history_chars(thread) if thread else 0))
    drafts = {model.id: habit(model.id, Generation.Kind.CANDIDATE) for model in models}
    steps: list[tuple[Model, int | None, Habit]] = [(model, tokens_in, drafts[model.id]) for model in models]
    waited = _waited([drafts[model.id].seconds for model in models], quorum)
    synthesis = Habit(seconds=0)
    if choice.secondaries:
        synthesis = habit(choice.master, Generation.Kind.SYNTHESIS)
        if synthesis.seconds is None:
            synthesis = drafts[choice.master]
        read = [drafts[model.id].tokens_out for model in models]
        steps.append((models[0], _plus(tokens_in, read), synthesis))
    costs = [(model, model.cost(tokens, took.tokens_out)) for model, tokens, took in steps]
    known = [cost for _model, cost in costs if cost is not None]
    return Estimate(
        cost=sum(known, Decimal()),
        unpriced=_labels(model for model, cost in costs if cost is None),
        priced=bool(known),
        seconds=None if waited is None or synthesis.seconds is None else waited + synthesis.seconds,
        untimed=_labels(model for model in models if drafts[model.id].seconds is None),
        too_long=_too_long(steps, tokens_in),
        too_many=not _room(user),
    )


def habit(model_id: str, kind: Generation.Kind) -> Habit:
    """What the latest texts of this kind took."""
    whole = Generation.objects.filter(model_id=model_id, kind=kind, status=GenerationStatus.COMPLETED)
    latest = whole.exclude(ended_at=None).order_by("-ended_at").values_list("tokens_out", "started_at", "ended_at")
    rows = list(latest[:LATEST])
    counts = [tokens for tokens, _start, _end in rows if tokens is not None]
    spans = [max((end - start).total_seconds(), 0) for _tokens, start, end in rows if start and end]
    return Habit(round(median(counts)) if counts else None, median(spans) if spans else None)


def _waited(times: list[float | None], quorum: Quorum) -> float | None:
    """Seconds until the final answer begins: once all are done, or the minimum is and the soft deadline has passed."""
    known = sorted(seconds for seconds in times if seconds is not None)
    if not known or quorum.soft_deadline is None:
        return known[-1] if known else None
    enough = known[min(max(quorum.minimum, 1), len(known)) - 1]
    return min(known[-1], max(enough, quorum.soft_deadline))


def _history_chars(thread: Thread) -> int:
    shown = Branches.of(thread).shown
    turns = thread.messages.filter(Q(pk__in=shown) | Q(parent__in=shown, kind=Message.Kind.FINAL))
    return len(thread.system_prompt) + (turns.aggregate(chars=Sum(Length("content")))["chars"] or 0)


def _tokens(chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN)


def _plus(tokens: int, more: list[int | None]) -> int | None:
    """``None`` as soon as one of them is not known."""
    known = [count for count in more if count is not None]
    return tokens + sum(known) if len(known) == len(more) else None


def _labels(models: Iterable[Model]) -> list[str]:
    return list(dict.fromkeys(model.label for model in models))


def _too_long(steps: list[tuple[Model, int | None, Habit]], least: int) -> list[TooLong]:
    """Each model that is given more than it takes; what is not known of a step is at least the prompt itself."""
    found = {
        model.id: TooLong(model.label, tokens or least, model.context_window)
        for model, tokens, _took in steps
        if model.context_window is not None and (tokens or least) > model.context_window
    }
    return list(found.values())


def _room(user: AbstractBaseUser) -> bool:
    try:
        may_begin(user.pk)
    except TooManyRuns:
        return False
    return True
