"""Model and prompt text on a page."""

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def exact(text: str) -> SafeString:
    """The text so that a browser reads back every character of it: HTML parsers turn a bare CR into LF."""
    return mark_safe(escape(text).replace("\r", "&#13;"))  # noqa: S308  (escaped just before)
