"""What a thread itself can say on its socket, and the form of every event. The other words are in ``runs.events``."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Literal, TypedDict


class ThreadView(TypedDict):
    """A thread as a client sees it."""

    id: str
    title: str
    tip: str | None
    """The last prompt of the branch that is shown; the turns that lead to it are its parents."""


class MessageView(TypedDict):
    """A message as a client sees it."""

    id: str
    role: str
    kind: str
    content: str
    model: str
    parent: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class Event:
    """One frame on a thread's socket: a ``type`` and the fields of its class."""

    type: ClassVar[str]
    bare: ClassVar[bool] = False
    """Said so often that it is a list of its fields alone; ``type`` only names it."""

    def payload(self) -> dict[str, Any] | list[Any]:
        """What a client receives, as JSON."""
        names = _names(type(self))  # type: ignore[arg-type]  # classes can be hashed
        if self.bare:
            return [getattr(self, name) for name in names]
        return {"type": self.type, **{name: getattr(self, name) for name in names}}


@cache
def _names(event: type[Event]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(event))


@dataclass(frozen=True, slots=True)
class ThreadUpdated(Event):
    """The thread is called something else now, or shows another branch."""

    type: ClassVar[Literal["thread.updated"]] = "thread.updated"
    thread: ThreadView


@dataclass(frozen=True, slots=True)
class MessageCreated(Event):
    """A prompt stands in the thread. (A final answer comes with the word that ends its run.)"""

    type: ClassVar[Literal["message.created"]] = "message.created"
    message: MessageView


@dataclass(frozen=True, slots=True)
class ThreadLive(Event):
    """Whether this socket hears the thread. While it does not, only snapshots say how it stands."""

    type: ClassVar[Literal["thread.live"]] = "thread.live"
    live: bool
