"""What a card shows of its generation."""

from collections.abc import Mapping
from functools import lru_cache

from django import template
from django.template.loader import render_to_string
from django.utils.translation import get_language

from runs.events import GenerationView
from runs.turns import can_be_asked_again, state_of

register = template.Library()
register.filter("state", state_of)
register.filter("askable", can_be_asked_again)


@register.filter
def of(verdicts: Mapping[str, str], generation: str) -> str:
    """What the reader thinks of a text; nothing if they did not say."""
    return verdicts.get(generation, "")


@register.filter
def settled(view: GenerationView) -> bool:
    """Whether it holds a draft: nothing can be done with it any more."""
    return view["status"] == "completed" and not can_be_asked_again(view)


@register.simple_tag
def states(view: GenerationView | None) -> str:
    """Every state that a text can be in; the stylesheet shows one of them."""
    return _states(get_language(), view["waiting_for"] if view else None)


@lru_cache(maxsize=100)
def _states(_language: str, provider: str | None) -> str:
    """Made once: a long page holds two hundred, and templates and languages stay as they are while a process lives."""
    return render_to_string("runs/state.html", {"provider": provider or ""})
