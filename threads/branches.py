"""How the prompts of a thread follow each other: which branch is shown, and which versions a prompt has."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self
from uuid import UUID

from threads.models import Message, Thread


@dataclass(frozen=True, slots=True)
class Versions:
    """The prompts that stand in the same place, seen from one of them."""

    prompts: tuple[UUID, ...]
    number: int
    """Which one it is, counted from 1."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.prompts)

    @property
    def previous(self) -> UUID | None:
        """The one before it."""
        return self.prompts[self.number - 2] if self.number > 1 else None

    @property
    def next(self) -> UUID | None:
        """The one behind it."""
        return self.prompts[self.number] if self.number < self.count else None


@dataclass(frozen=True)
class Branches:
    """The prompts of a thread by the prompt before them, in the order in which they arrived."""

    before: dict[UUID, UUID | None]
    tip: UUID | None
    """The last prompt of the branch that is shown."""

    @classmethod
    def of(cls, thread: Thread) -> Self:
        """Read in one query, without any text."""
        turns = thread.messages.exclude(kind=Message.Kind.DRAFT).values_list("pk", "kind", "parent_id")
        return cls(_before(turns), thread.tip_id)

    @property
    def shown(self) -> list[UUID]:
        """The branch that is shown, from its first prompt to its last."""
        return self.up_to(self.tip)

    def up_to(self, prompt: UUID | None) -> list[UUID]:
        """The prompts that lead to this one, and it."""
        branch = []
        while prompt is not None:
            branch.append(prompt)
            prompt = self.before[prompt]
        return branch[::-1]

    def versions(self, prompt: UUID) -> Versions:
        """The prompts that stand in the place of this one."""
        prompts = self._places[self.before[prompt]]
        return Versions(prompts, prompts.index(prompt) + 1)

    @cached_property
    def _places(self) -> dict[UUID | None, tuple[UUID, ...]]:
        places: dict[UUID | None, tuple[UUID, ...]] = {}
        for prompt, before in self.before.items():
            places[before] = (*places.get(before, ()), prompt)
        return places

    def newest_end(self, prompt: UUID) -> UUID:
        """The last prompt of the newest branch that leads through this one."""
        reached = {prompt}
        for each, before in self.before.items():
            if before in reached:
                reached.add(each)
                prompt = each
        return prompt


def _before(turns: Iterable[tuple[UUID, str, UUID | None]]) -> dict[UUID, UUID | None]:
    """A prompt follows an answer, and by that the prompt which it answers; or a prompt that has no answer."""
    prompts: dict[UUID, UUID | None] = {}
    answered: dict[UUID, UUID | None] = {}
    for turn, kind, parent in turns:
        if kind == Message.Kind.PROMPT:
            prompts[turn] = answered.get(parent, parent) if parent else None
        else:
            answered[turn] = parent
    return prompts
