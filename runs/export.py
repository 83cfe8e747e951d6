"""A thread as a file to keep: Markdown for people, JSON for programs. What the fields mean stands in docs/export.md."""

from typing import Any, TypedDict

from django.utils import timezone
from django.utils.translation import gettext as _

from runs.events import GenerationView
from runs.models import Generation
from runs.snapshot import snapshot_of
from runs.turns import Turn, state_of, turns_of
from threads.branches import Branches
from threads.models import Thread

FORMAT = "polyphony.thread"
VERSION = 1


class DraftExport(TypedDict):
    """What one model answered."""

    model: str
    label: str
    role: str
    state: str
    text: str
    error: str | None
    in_answer: bool
    """Whether the final answer rests on it."""
    tokens_in: int | None
    tokens_out: int | None
    cost: str | None
    seconds: float | None


class AnswerExport(TypedDict):
    """The final answer."""

    text: str
    by: str
    """What people call the model that wrote it."""


class TurnExport(TypedDict):
    """A prompt and what became of it."""

    prompt: str
    after: str | None
    text: str
    asked_at: str
    ended_at: str | None
    status: str
    outcome: str
    error: str | None
    answer: AnswerExport | None
    drafts: list[DraftExport]


class ThreadExport(TypedDict):
    """A thread with all of its branches."""

    format: str
    version: int
    exported_at: str
    title: str
    system_prompt: str
    created_at: str
    shown: list[str]
    turns: list[TurnExport]


def as_json(thread: Thread) -> ThreadExport:
    """All branches with all drafts."""
    branches = Branches.of(thread)
    turns = turns_of(snapshot_of(thread, list(branches.before)), branches)
    return {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": timezone.now().isoformat(),
        "title": thread.title,
        "system_prompt": thread.system_prompt,
        "created_at": thread.created_at.isoformat(),
        "shown": [str(prompt) for prompt in branches.shown],
        "turns": [_turn(turn) for turn in turns],
    }


def as_markdown(thread: Thread) -> str:
    """The branch that is shown, with all drafts."""
    branches = Branches.of(thread)
    turns = turns_of(snapshot_of(thread, branches.shown), branches)
    parts = [part for turn in turns for part in _parts(turn)]
    return "\n\n".join([f"# {thread.title or _('New thread')}", *parts]) + "\n"


def _turn(turn: Turn) -> TurnExport:
    run = turn.run
    return {
        "prompt": run["prompt"],
        "after": turn.after or None,
        "text": turn.prompt,
        "asked_at": run["created_at"],
        "ended_at": run["ended_at"],
        "status": run["status"],
        "outcome": run["outcome"],
        "error": run["error"]["message"] if run["error"] else None,
        "answer": {"text": turn.answer, "by": turn.author_label} if run["final"] else None,
        "drafts": [_draft(view, in_answer=bool(run["final"]) and view in turn.used) for view in turn.candidates],
    }


def _draft(view: GenerationView, *, in_answer: bool) -> DraftExport:
    return {
        "model": view["model"]["id"],
        "label": view["model"]["label"],
        "role": view["role"],
        "state": state_of(view),
        "text": view["text"] or "",
        "error": view["error"]["message"] if view["error"] else None,
        "in_answer": in_answer,
        "tokens_in": view["tokens_in"],
        "tokens_out": view["tokens_out"],
        "cost": view["cost"],
        "seconds": view["seconds"],
    }


def _parts(turn: Turn) -> list[str]:
    """The prompt, each draft, and what became of the final answer, as blocks of Markdown."""
    parts = [f"## {_('Prompt')}", turn.prompt]
    for view in turn.cards:
        role = f", {_('master')}" if view["role"] == Generation.Role.MASTER else ""
        parts += [f"### {_('Draft by %s') % view['model']['label']}{role}"]
        parts += [text for text in (view["text"], _note(view)) if text]
    return [*parts, f"### {_heading(turn)}", *_below(turn), *([turn.answer] if turn.answer else [])]


def _note(view: GenerationView) -> str:
    """What is to be said of a draft that is not whole, or came late."""
    state = state_of(view)
    words = {"late": _("It came after the final answer had begun."), "cancelled": _("It was stopped.")}
    sentence = words.get(state) or (view["error"]["message"] if view["error"] else "")
    return f"*{sentence}*" if sentence else ""


def _heading(turn: Turn) -> str:
    if not turn.run["final"]:
        return str(_("No final answer"))
    if turn.solo:
        return str(_("Answer by %s") % turn.author_label)
    if turn.chosen:
        return str(_("Answer of %s, chosen by hand") % turn.author_label)
    if turn.run["outcome"] == "single":
        return str(_("Single answer of %s") % turn.author_label)
    count = {"model": turn.author_label, "count": len(turn.drafts), "total": len(turn.candidates)}
    return str(_("Final answer by %(model)s, from %(count)d of %(total)d answers") % count)


def _below(turn: Turn) -> list[str]:
    """Why there is no answer, or who is missing from it."""
    if not turn.run["final"]:
        return [turn.run["error"]["message"]] if turn.run["error"] else []
    missing: list[Any] = [] if turn.solo or turn.chosen else turn.missing
    return ["\n".join(f"- {_('Without %s:') % each.label} {each.reason}" for each in missing)] if missing else []
