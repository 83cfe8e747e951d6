"""Threads and messages as a client sees them."""

from threads.events import MessageView, ThreadView
from threads.models import Message, Thread


def thread_view(thread: Thread) -> ThreadView:
    """A thread's own fields."""
    return {"id": str(thread.pk), "title": thread.title, "tip": str(thread.tip_id) if thread.tip_id else None}


def message_view(message: Message) -> MessageView:
    """One turn."""
    return {
        "id": str(message.pk),
        "role": message.role,
        "kind": message.kind,
        "content": message.content,
        "model": message.model_id,
        "parent": str(message.parent_id) if message.parent_id else None,
        "created_at": message.created_at.isoformat(),
    }
