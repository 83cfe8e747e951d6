"""Every write of a conversation, one verb each."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from threads import channel
from threads.branches import Branches
from threads.events import ThreadUpdated
from threads.models import Message, Preferences, Share, Thread
from threads.signals import thread_deleted
from threads.snapshot import thread_view
from threads.telling import tell_on_commit

TITLE_MAX_CHARS = 200
MADE_TITLE_CHARS = 60
PINS_MAX = 30
REMOVED_AT_ONCE = 20
"""How many deleted threads one sweep removes, so that it does not hold up the others."""


def create_thread(owner: AbstractBaseUser, title: str = "", system_prompt: str = "") -> Thread:
    """Begin a conversation.

    Raises:
        ValidationError: the title or the system prompt cannot be stored.
    """
    return Thread.objects.create(
        owner_id=owner.pk,
        title=_clean_title(title),
        system_prompt=clean_text(system_prompt, settings.PROMPT_MAX_CHARS, what=_("system prompt")),
    )


def create_lanes(prompt: Message, count: int) -> list[Thread]:
    """The hidden threads in which ``count`` secondary models answer ``prompt``."""
    owner_id = prompt.thread.owner_id
    lanes = [Thread(owner_id=owner_id, kind=Thread.Kind.LANE, branched_from=prompt) for _ in range(count)]
    return Thread.objects.bulk_create(lanes)


def rename_thread(thread: Thread, title: str) -> Thread:
    """Give a thread another title.

    Raises:
        ValidationError: the title is blank or cannot be stored.
    """
    title = _clean_title(title)
    if not title:
        raise ValidationError(_("The title is empty. Type a few words."))
    Thread.objects.filter(pk=thread.pk).update(title=title)
    thread.title = title
    announce_thread(thread)
    return thread


def pin_thread(thread: Thread, *, pinned: bool) -> Thread:
    """Keep a thread on top of the list, or let it go down again.

    Raises:
        ValidationError: as many threads as may be are pinned already.
    """
    if pinned and _pins_but(thread) >= PINS_MAX:
        raise ValidationError(_("%(limit)d threads are pinned already. Unpin one first."), params={"limit": PINS_MAX})
    Thread.objects.filter(pk=thread.pk).update(pinned_at=Now() if pinned else None)
    thread.refresh_from_db(fields=["pinned_at"])
    return thread


def _pins_but(thread: Thread) -> int:
    pinned = Thread.objects.filter(owner_id=thread.owner_id, deleted_at=None, pinned_at__isnull=False)
    return pinned.exclude(pk=thread.pk).count()


def delete_thread(thread: Thread) -> None:
    """Put a thread away: nobody finds it any more, and what is under way in it stops. For a time it can be had back."""
    with transaction.atomic():
        lock_threads(Thread.objects.filter(pk=thread.pk))
        if Thread.objects.filter(pk=thread.pk, deleted_at=None).update(deleted_at=Now()):
            thread_deleted.send(Thread, thread=thread)
            transaction.on_commit(lambda: channel.close(thread.pk))


def restore_thread(thread: Thread) -> Thread:
    """Take back that a thread was deleted. When others have taken its place among the pinned, it is no longer pinned.

    Raises:
        Thread.DoesNotExist: it was removed meanwhile.
    """
    again: dict[str, None] = {"deleted_at": None}
    if _pins_but(thread) >= PINS_MAX:
        again["pinned_at"] = None
    if not Thread.objects.filter(pk=thread.pk).update(**again):
        raise Thread.DoesNotExist
    thread.refresh_from_db(fields=["deleted_at", "pinned_at"])
    return thread


def remove_deleted() -> int:
    """Remove for good what was deleted long enough ago; returns how many threads."""
    over = Q(deleted_at__lt=Now() - timedelta(seconds=settings.DELETED_KEEP_SECONDS))
    ids = list(Thread.objects.filter(over).values_list("pk", flat=True)[:REMOVED_AT_ONCE])
    return sum(_remove(Thread.objects.filter(over, pk=thread_id)) for thread_id in ids)


def _remove(threads: QuerySet[Thread]) -> bool:
    """Remove a thread with its messages, lanes and runs. Whoever still writes to one of them finds no row and stops."""
    with transaction.atomic():
        lanes = Q(branched_from__in=Message.objects.filter(thread__in=threads))
        lock_threads(Thread.objects.filter(Q(pk__in=threads) | lanes))
        removed, _rows = threads.delete()  # nothing, when it was restored meanwhile
    return bool(removed)


def show_branch(thread: Thread, prompt_id: UUID) -> Thread:
    """Show the newest branch that leads through this prompt.

    Raises:
        Message.DoesNotExist: there is no such prompt in the thread.
    """
    branches = Branches.of(thread)
    if prompt_id not in branches.before:
        raise Message.DoesNotExist
    thread.tip_id = branches.newest_end(prompt_id)
    Thread.objects.filter(pk=thread.pk).update(tip=thread.tip_id)
    announce_thread(thread)
    return thread


def share_thread(thread: Thread) -> Share:
    """Let everybody who has the link read the branch that is shown, up to its last turn of now.

    Raises:
        ValidationError: there is nothing to read.
    """
    if thread.tip_id is None:
        raise ValidationError(_("There is nothing to share yet. Ask something first."))
    share, _new = Share.objects.update_or_create(
        thread=thread, defaults={"tip_id": thread.tip_id}, create_defaults={"tip_id": thread.tip_id}
    )
    return share


def revoke_share(thread: Thread) -> None:
    """Let the link lead nowhere, from now on. Another one will be another one."""
    Share.objects.filter(thread=thread).delete()


def add_prompt(thread: Thread, content: str, *, instead_of: Message | None = None) -> Message:
    """Save a person's turn at the end of the branch that is shown, or as another version of an earlier prompt.

    Raises:
        ValidationError: the text is blank, too long, or holds characters that cannot be stored.
        Thread.DoesNotExist: the thread was deleted meanwhile.
    """
    content = clean_text(content, settings.PROMPT_MAX_CHARS, what=_("prompt"))
    if not content.strip():
        raise ValidationError(_("The prompt is empty. Type a question and send it again."))
    with transaction.atomic(savepoint=False):
        thread.refresh_from_db(from_queryset=Thread.objects.select_for_update().filter(deleted_at=None))
        parent = instead_of.parent if instead_of else _end_of_branch(thread)
        prompt = Message(
            thread=thread, role=Message.Role.USER, kind=Message.Kind.PROMPT, content=content, parent=parent
        )
        thread.tip_id, thread.title = prompt.pk, thread.title or _title_from(content)
        append(prompt, tip=thread.tip_id, title=thread.title)
        announce_thread(thread)
    return prompt


def add_message(
    thread_id: UUID, kind: Message.Kind, content: str, *, parent_id: UUID | None, model_id: str = ""
) -> Message:
    """Append what a model said. Raises as :func:`append`."""
    message = Message(thread_id=thread_id, role=Message.Role.ASSISTANT, kind=kind, content=content)
    message.parent_id, message.model_id = parent_id, model_id
    return append(message)


def append(message: Message, **thread: Any) -> Message:
    """Save a turn at the end of its thread, and these fields of the thread with it.

    Two turns that arrive at once get two positions.

    Raises:
        Thread.DoesNotExist: the thread was deleted meanwhile.
    """
    with transaction.atomic(savepoint=False):
        # Before the position is looked up: this write holds the thread as `lock_threads` does.
        if not Thread.objects.filter(pk=message.thread_id).update(updated_at=Now(), **thread):
            raise Thread.DoesNotExist
        last = Message.objects.filter(thread=message.thread_id).aggregate(last=Max("position"))["last"]
        message.position = 0 if last is None else last + 1
        message.save(force_insert=True)
    return message


def append_all(messages: Sequence[Message]) -> list[Message]:
    """:func:`append` of many in four queries; returns those that were.

    Nobody is waited for: where the thread is gone, or somebody holds it at this moment, the turn is left out.
    """
    with transaction.atomic(savepoint=False):
        threads = Thread.objects.filter(pk__in=[message.thread_id for message in messages])
        held = set(lock_threads(threads, skip_locked=True))
        Thread.objects.filter(pk__in=held).update(updated_at=Now())
        rows = Message.objects.filter(thread__in=held).order_by().values_list("thread")
        ends: dict[UUID, int] = dict(rows.annotate(end=Max("position") + 1))
        appended = [message for message in messages if message.thread_id in held]
        for message in appended:
            message.position = ends.get(message.thread_id, 0)
            ends[message.thread_id] = message.position + 1
        return Message.objects.bulk_create(appended)


def save_preferences(
    user: AbstractBaseUser, *, theme: str, send_key: str, language: str, single_keys: bool = True
) -> None:
    """Keep how a person wants the pages to be.

    Raises:
        ValidationError: something of it is no choice.
    """
    known = Preferences.Theme.values, Preferences.SendKey.values, ["", *(code for code, _name in settings.LANGUAGES)]
    if not all(chosen in choices for chosen, choices in zip((theme, send_key, language), known, strict=True)):
        raise ValidationError(_("This cannot be chosen. Choose one of what is shown."))
    chosen = {"theme": theme, "send_key": send_key, "language": language, "single_keys": single_keys}
    Preferences.objects.update_or_create(user_id=user.pk, defaults=chosen)


def revise_message(message: Message, content: str, model_id: str) -> None:
    """Let a turn say something else in its old place; the turns that follow it follow the new words."""
    message.content, message.model_id = content, model_id
    Message.objects.filter(pk=message.pk).update(content=content, model_id=model_id)
    Thread.objects.filter(pk=message.thread_id).update(updated_at=Now())


def lock_threads(threads: QuerySet[Thread], *, skip_locked: bool = False) -> list[UUID]:
    """Hold these threads until the transaction ends. Whoever writes in one, or deletes it, takes this lock first.

    Returns those that are held now: with ``skip_locked`` not those that somebody else holds.
    """
    locked = threads.order_by("pk").select_for_update(of=("self",), skip_locked=skip_locked)
    return list(locked.values_list("pk", flat=True))


def announce_thread(thread: Thread) -> None:
    """Tell the open pages of a thread, once the change is committed, what it is called and which branch it shows."""
    view = thread_view(thread)
    tell_on_commit(thread.pk, lambda: ThreadUpdated(thread=view))


def clean_text(text: str, limit: int, *, what: str) -> str:
    """The text as both databases and msgpack can hold it.

    Raises:
        ValidationError: it holds NUL or half a character, or is longer than ``limit`` characters.
    """
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValidationError(
            _("The %(what)s holds characters that cannot be stored (NUL or half of a character). Remove them."),
            params={"what": what},
        )
    if len(text) > limit:
        raise ValidationError(
            _("The %(what)s has %(length)d characters; the limit is %(limit)d. Shorten it."),
            params={"what": what, "length": len(text), "limit": limit},
        )
    return text


def _clean_title(title: str) -> str:
    return clean_text(" ".join(title.split()), TITLE_MAX_CHARS, what=_("title"))


def _title_from(content: str) -> str:
    """The beginning of a prompt, without a block of code behind it and without marks of formatting before it."""
    prose = re.split(r"^\s*(?:```|~~~)", content, maxsplit=1, flags=re.MULTILINE)[0]
    line = " ".join((prose if prose.strip() else content).split())
    line = re.sub(r"^(?:[#>*-]+ )+", "", line)
    if len(line) <= MADE_TITLE_CHARS:
        return line
    return line[: MADE_TITLE_CHARS - 1].rsplit(" ", 1)[0] + "…"


def _end_of_branch(thread: Thread) -> Message | None:
    """The last turn of the branch that is shown: its answer, or the prompt that has none."""
    if thread.tip is None:
        return None
    return thread.tip.replies.filter(kind=Message.Kind.FINAL).last() or thread.tip
