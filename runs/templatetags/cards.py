"""What a card shows of its generation."""

from collections.abc import Mapping

from django import template

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
