"""Somebody's threads as a list shows them: pinned ones on top, a part at a time, and those in which words stand."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from threads.models import Message, Thread

LISTED = 30
"""How many threads one part of the list holds."""
SEARCHED = 1000
"""In how many threads words are looked for: those in which something was said last."""
WORDS_MAX = 5
WORDS_MAX_CHARS = 200
EXCERPT = 40
"""How many characters of a text are shown before the word that was found; behind it twice as many."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The place in a text where a word stands."""

    before: str
    word: str
    after: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the list."""

    thread: Thread
    excerpt: Excerpt | None = None
    """Where the words stand that were looked for, if it is not in the title."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One part of the list."""

    rows: list[Listed]
    words: str
    """What was looked for, as it was typed."""
    older: UUID | None
    """The thread behind which the next part begins, if there is one."""
    first: bool
    """Whether nothing stands before it."""


def list_threads(threads: QuerySet[Thread], words: str = "", after: UUID | None = None) -> Listing:
    """The part of these threads that begins behind ``after``; only those in which all of the words stand."""
    words = " ".join(words.replace("\x00", "").split())[:WORDS_MAX_CHARS]
    wanted = words.split()[:WORDS_MAX]
    found = search(threads, words).order_by("-updated_at", "-pk").defer("system_prompt")
    rest = found if wanted else found.filter(pinned_at=None)
    if after is not None:
        rest = _behind(rest, after)
    part = rest[: LISTED + 1]
    rows = list(part if wanted or after else _below_the_pinned(threads, part))
    shown = LISTED if wanted else LISTED + sum(thread.pinned_at is not None for thread in rows)
    older = rows[shown - 1].pk if len(rows) > shown else None
    return Listing(_rows(rows[:shown], wanted), words, older, first=after is None)


def search(threads: QuerySet[Thread], words: str) -> QuerySet[Thread]:
    """Those of the newest of these threads in which each word stands: in the title, a prompt or a final answer."""
    wanted = words.split()[:WORDS_MAX]
    if not wanted:
        return threads
    newest = threads.order_by("-updated_at", "-pk").values("pk")[:SEARCHED]
    found = threads.filter(pk__in=Subquery(newest))
    for word in wanted:
        turns = Message.objects.filter(_holds("content", word), thread=OuterRef("pk")).exclude(kind=Message.Kind.DRAFT)
        found = found.filter(_holds("title", word) | Exists(turns))
    return found


def _below_the_pinned(threads: QuerySet[Thread], part: QuerySet[Thread]) -> QuerySet[Thread]:
    both = threads.filter(Q(pinned_at__isnull=False) | Q(pk__in=part.values("pk"))).defer("system_prompt")
    return both.order_by(F("pinned_at").desc(nulls_last=True), "-updated_at", "-pk")


def _behind(threads: QuerySet[Thread], after: UUID) -> QuerySet[Thread]:
    # Compared within the database: SQLite keeps times as texts, in two lengths. The thread may be deleted by now.
    theirs = Thread.objects.filter(owner__in=threads.order_by().values("owner"), kind=Thread.Kind.CONVERSATION)
    time = Subquery(theirs.filter(pk=after).values("updated_at"))
    return threads.filter(Q(updated_at__lt=time) | Q(updated_at=time, pk__lt=after))


def _holds(field: str, word: str) -> Q:
    """Upper and lower case are the same. SQLite knows that of ASCII letters only, so it is told the usual cases."""
    holds = Q()
    for case in {word, word.lower(), word.upper(), word.capitalize()} if not word.isascii() else {word}:
        holds |= Q(**{f"{field}__icontains": case})
    return holds


def _rows(threads: list[Thread], wanted: list[str]) -> list[Listed]:
    hidden = {thread.pk: word for thread in threads if (word := _not_in(thread.title, wanted))}
    excerpts: dict[UUID, Excerpt] = {}
    for word in set(hidden.values()):
        ids = [thread_id for thread_id, each in hidden.items() if each == word]
        excerpts |= {turn.thread_id: _excerpt(turn.content, word) for turn in _first_turns(ids, word)}
    return [Listed(thread, excerpts.get(thread.pk)) for thread in threads]


def _not_in(title: str, wanted: list[str]) -> str:
    """The first word that does not stand in the title."""
    return next((word for word in wanted if word.casefold() not in title.casefold()), "")


def _first_turns(thread_ids: Iterable[UUID], word: str) -> QuerySet[Message]:
    """In each of these threads the first turn that holds the word."""
    turns = Message.objects.filter(_holds("content", word), thread=OuterRef("pk")).exclude(kind=Message.Kind.DRAFT)
    first = turns.order_by("position").values("pk")[:1]
    ids = Thread.objects.filter(pk__in=list(thread_ids)).values_list(Subquery(first), flat=True)
    return Message.objects.filter(pk__in=list(ids)).only("thread_id", "content")


def _excerpt(text: str, word: str) -> Excerpt:
    start = max(text.lower().find(word.lower()), 0)
    end = start + len(word)
    first, last = max(start - EXCERPT, 0), end + 2 * EXCERPT
    before, after = text[first:start], text[end:last]
    return Excerpt("…" * (first > 0) + before, text[start:end], after + "…" * (last < len(text)))
