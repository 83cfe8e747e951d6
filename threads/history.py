"""The conversation that led to a prompt."""

from threads.models import Message


def history_of(prompt: Message) -> list[Message]:
    """The turns from the first one to ``prompt``, along the branch that it stands on; drafts are no part of it."""
    earlier = Message.objects.filter(thread_id=prompt.thread_id, position__lte=prompt.position)
    by_id = {message.pk: message for message in earlier.exclude(kind=Message.Kind.DRAFT)}
    turns = []
    turn: Message | None = by_id.get(prompt.pk)
    while turn is not None:
        turns.append(turn)
        turn = by_id.get(turn.parent_id) if turn.parent_id else None
    return turns[::-1]
