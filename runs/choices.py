"""Whom the composer proposes to ask, and what its picker offers."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

from runs import catalogue
from runs.catalogue import Model
from runs.models import Generation, MultiModelRun
from threads.models import Thread

SECONDARIES = 2
"""How many secondaries are proposed to somebody who never chose any."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A master and its secondaries, by model id."""

    master: str = ""
    secondaries: tuple[str, ...] = ()


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
class Picker:
    """Everything that can be chosen, grouped by provider, and what is chosen now."""

    groups: list[tuple[str, list[Option]]]
    limit: int

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
        groups.setdefault(model.provider, []).append(option)
    return Picker(list(groups.items()), settings.MODELS_PER_RUN_MAX)


def remembered(user: AbstractBaseUser, thread: Thread | None) -> Choice:
    """What was chosen last in this thread, else what this person chose last, else the first models there are."""
    runs = MultiModelRun.objects.filter(owner_id=user.pk).order_by("-created_at").prefetch_related("generations")
    last = (thread and runs.filter(thread=thread).first()) or runs.first()
    available = [model.id for model in catalogue.available()]
    if last is None:
        return _first(available)
    candidates = [g for g in last.generations.all() if g.kind == Generation.Kind.CANDIDATE]
    secondaries = [g.model_id for g in candidates if g.role == Generation.Role.SECONDARY and g.model_id in available]
    if last.master_model in available:
        return Choice(last.master_model, tuple(secondaries[: settings.MODELS_PER_RUN_MAX - 1]))
    return Choice(secondaries[0], tuple(secondaries[1:])) if secondaries else _first(available)


def _first(available: Sequence[str]) -> Choice:
    some = available[: min(1 + SECONDARIES, settings.MODELS_PER_RUN_MAX)]
    return Choice(some[0], tuple(some[1:])) if some else Choice()
