"""Every write of a conversation, one verb each."""

from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from threads import channel
from threads.events import ThreadUpdated
from threads.models import Message, Thread

TITLE_MAX_CHARS = 200


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


def delete_thread(thread: Thread) -> None:
    """Remove a thread with its messages, lanes and runs. Whoever still writes to one of them finds no row and stops."""
    thread_id = thread.pk
    with transaction.atomic():
        prompts = Message.objects.filter(thread_id=thread_id)
        lock_threads(Thread.objects.filter(Q(pk=thread_id) | Q(branched_from__in=prompts)))
        thread.delete()
        transaction.on_commit(lambda: channel.close(thread_id))


def add_prompt(thread: Thread, content: str) -> Message:
    """Save a person's turn after the newest one.

    Raises:
        ValidationError: the text is blank, too long, or holds characters that cannot be stored.
    """
    content = clean_text(content, settings.PROMPT_MAX_CHARS, what=_("prompt"))
    if not content.strip():
        raise ValidationError(_("The prompt is empty. Type a question and send it again."))
    with transaction.atomic():
        last = thread.messages.exclude(kind=Message.Kind.DRAFT).order_by("-position").first()
        prompt = add_message(thread, Message.Kind.PROMPT, content, parent=last)
        if not thread.title:
            thread.title = _title_from(content)
            Thread.objects.filter(pk=thread.pk).update(title=thread.title)
            announce_thread(thread)
    return prompt


def add_message(
    thread: Thread, kind: Message.Kind, content: str, *, parent: Message | None, model_id: str = ""
) -> Message:
    """Append one turn; two that arrive at once get two positions."""
    with transaction.atomic():
        Thread.objects.select_for_update().get(pk=thread.pk)
        last = thread.messages.aggregate(last=Max("position"))["last"]
        message = Message.objects.create(
            thread=thread,
            role=Message.Role.USER if kind == Message.Kind.PROMPT else Message.Role.ASSISTANT,
            kind=kind,
            content=content,
            model_id=model_id,
            position=0 if last is None else last + 1,
            parent=parent,
        )
        Thread.objects.filter(pk=thread.pk).update(updated_at=Now())
    return message


def lock_threads(threads: QuerySet[Thread]) -> list[UUID]:
    """Hold these threads until the transaction ends. Whoever writes in one, or deletes it, takes this lock first."""
    return list(threads.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))


def announce_thread(thread: Thread) -> None:
    """Tell the open pages of a thread, once the change is committed, what it is called now."""
    event = ThreadUpdated(thread={"id": str(thread.pk), "title": thread.title})
    transaction.on_commit(lambda: channel.send(thread.pk, event))


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
    line = " ".join(content.split())
    return line if len(line) <= 60 else line[:59].rsplit(" ", 1)[0] + "…"
