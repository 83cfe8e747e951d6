"""Whom the composer proposes to ask, and what its picker offers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet, Subquery

from runs import catalogue
from runs.catalogue import Model
from runs.models import RUN_ACTIVE, Council, Generation, MultiModelRun
from threads.models import Thread

SECONDARIES = 2
"""How many secondaries are proposed to somebody who never chose any."""


@dataclass(frozen=True, slots=True)
class Patience:
    """When the final answer is written, as it stands in the picker: numbers as they were typed."""

    everybody: bool = True
    """Nobody is left out: the numbers do not count."""
    seconds: str = "60"
    answers: str = "2"


@dataclass(frozen=True, slots=True)
class Choice:
    """A master and its secondaries, by model id, and how long they are waited for."""

    master: str = ""
    secondaries: tuple[str, ...] = ()
    patience: Patience = Patience()


@dataclass(frozen=True, slots=True)
class Asked:
    """A run with what was chosen for it."""

    run: MultiModelRun
    choice: Choice


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the picker."""

    model: Model
    master: bool
    copies: int
    """How often it stands among the secondaries."""

    @property
    def more_copies(self) -> range:
        """One for each time beyond the first."""
        return range(1, self.copies)


@dataclass(frozen=True, slots=True)
class Kept:
    """A council as the picker shows it."""

    council: Council
    choice: Choice

    @property
    def fields(self) -> dict[str, Any]:
        """What the script puts into the picker."""
        patience = self.choice.patience
        return {
            "master": self.choice.master,
            "secondaries": self.choice.secondaries,
            "wait": "all" if patience.everybody else "some",
            "seconds": patience.seconds,
            "answers": patience.answers,
        }


@dataclass(frozen=True, slots=True)
class Picker:
    """Everything that can be chosen, grouped by provider, and what is chosen now."""

    groups: list[tuple[str, list[Option]]]
    limit: int
    patience: Patience

    @property
    def options(self) -> list[Option]:
        """All rows."""
        return [option for _provider, options in self.groups for option in options]

    @property
    def master(self) -> Model | None:
        """The chosen master."""
        return next((option.model for option in self.options if option.master), None)

    @property
    def secondaries(self) -> int:
        """How many secondaries are chosen."""
        return sum(option.copies for option in self.options)

    @property
    def count(self) -> int:
        """How many models are chosen."""
        return self.secondaries + (self.master is not None)


def picker(choice: Choice) -> Picker:
    """The picker with this choice, as far as its models can be asked now."""
    groups: dict[str, list[Option]] = {}
    for model in sorted(catalogue.available(), key=lambda model: model.demo):
        option = Option(model, model.id == choice.master, choice.secondaries.count(model.id))
        groups.setdefault(catalogue.provider_label(model.provider), []).append(option)
    return Picker(list(groups.items()), settings.MODELS_PER_RUN_MAX, choice.patience)


def councils_of(user: AbstractBaseUser) -> list[Kept]:
    """The councils of a person, oldest first."""
    return [Kept(council, council_choice(council)) for council in Council.objects.filter(owner_id=user.pk)]


def last_asked(thread: Thread) -> Asked | None:
    """The run of a thread that is active, else the one that was begun last."""
    return _first_of(thread.runs.alias(active=Q(status__in=RUN_ACTIVE)).order_by("-active", "-created_at"))


def remembered(user: AbstractBaseUser, last: Asked | None) -> Choice:
    """What ``last`` was asked in a thread, else the default council, else the last choice, else the first models."""
    if last is None and (council := Council.objects.filter(owner_id=user.pk, is_default=True).first()):
        return council_choice(council)
    last = last or _first_of(MultiModelRun.objects.filter(owner_id=user.pk).order_by("-created_at"))
    available = [model.id for model in catalogue.available()]
    if last is None:
        return _first(available)
    chosen = last.choice
    secondaries = [model_id for model_id in chosen.secondaries if model_id in available]
    return _askable(chosen.master, secondaries, chosen.patience, available)


def choice_of(run: MultiModelRun) -> Choice:
    """Whom a run asked, and how long they were waited for."""
    return _choice(run, _candidates().filter(run=run))


def council_choice(council: Council) -> Choice:
    """What a council asks, as far as its models can be asked now."""
    available = [model.id for model in catalogue.available()]
    secondaries = [model_id for model_id in council.secondary_models if model_id in available]
    return _askable(council.master_model, secondaries, _patience(council), available)


def _first_of(runs: QuerySet[MultiModelRun]) -> Asked | None:
    """The first of these runs, read together with its candidates."""
    candidates = list(_candidates().filter(run=Subquery(runs.values("pk")[:1])).select_related("run"))
    return Asked(candidates[0].run, _choice(candidates[0].run, candidates)) if candidates else None


def _candidates() -> QuerySet[Generation]:
    return Generation.objects.filter(kind=Generation.Kind.CANDIDATE).only("run", "role", "model_id")


def _choice(run: MultiModelRun, candidates: Iterable[Generation]) -> Choice:
    secondaries = [each.model_id for each in candidates if each.role == Generation.Role.SECONDARY]
    return Choice(run.master_model, tuple(secondaries), _patience(run))


def _askable(master: str, secondaries: list[str], patience: Patience, available: Sequence[str]) -> Choice:
    """In place of a master that cannot be asked, the first secondary."""
    if master in available:
        return Choice(master, tuple(secondaries[: settings.MODELS_PER_RUN_MAX - 1]), patience)
    return Choice(secondaries[0], tuple(secondaries[1:]), patience) if secondaries else _first(available)


def _patience(asked: MultiModelRun | Council) -> Patience:
    if asked.soft_deadline is None:
        return Patience()
    return Patience(everybody=False, seconds=str(asked.soft_deadline), answers=str(asked.minimum))


def _first(available: Sequence[str]) -> Choice:
    some = available[: min(1 + SECONDARIES, settings.MODELS_PER_RUN_MAX)]
    return Choice(some[0], tuple(some[1:])) if some else Choice()
