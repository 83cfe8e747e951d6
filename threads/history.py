"""The conversation that led to a prompt."""

from uuid import UUID

from threads.models import Message


def history_of(prompt: Message) -> list[Message]:
    """The turns from the first one to ``prompt``, along the branch that it stands on; drafts are no part of it."""
    if prompt.parent_id is None:
        return [prompt]
    earlier = Message.objects.filter(thread_id=prompt.thread_id, position__lte=prompt.position)
    parents = dict(earlier.exclude(kind=Message.Kind.DRAFT).values_list("pk", "parent_id"))
    branch = []
    turn: UUID | None = prompt.pk
    while turn in parents:
        branch.append(turn)
        turn = parents[turn]
    turns = Message.objects.in_bulk(branch)
    return [turns[turn] for turn in reversed(branch)]
