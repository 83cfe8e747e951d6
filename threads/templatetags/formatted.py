"""Model text on a page: finished blocks as HTML, the open rest as it is."""

from django import template
from django.utils.safestring import SafeString, mark_safe

from threads.formatting import render, split
from threads.templatetags.plain import exact

register = template.Library()


@register.simple_tag
def formatted(text: str | None, status: str) -> SafeString:
    """A text; what its generation still writes has an open rest."""
    blocks, rest = split(text or "", whole=status not in ("queued", "streaming"))
    html = [f'<div class="md" dir="auto" data-end="{block.end}">{render(block)}</div>' for block in blocks]
    return mark_safe("".join(html) + (f'<span class="block">{exact(rest)}</span>' if rest else ""))  # noqa: S308
