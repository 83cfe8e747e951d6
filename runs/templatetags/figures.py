"""How the page writes figures, in the language of its reader."""

from decimal import Decimal
from typing import Any

from django import template
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def compact(count: int) -> str:
    """A token count at a glance: 32k, 1.5M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return number_format(f"{count / size:.1f}".removesuffix(".0")) + unit
    return str(count)


@register.filter
def money(dollars: Decimal) -> str:
    """US dollars with as many digits as say something."""
    if dollars and dollars < Decimal("0.001"):
        return "<" + _dollars("0.001")
    if dollars >= 1 or not dollars:
        return _dollars(f"{dollars:.2f}".removesuffix(".00"))
    return _dollars(f"{dollars:.2f}" if dollars >= Decimal("0.1") else f"{dollars:.2g}")


@register.filter
def clock(duration: float) -> str:
    """A time that is left: 0:45."""
    return f"{int(duration) // 60}:{int(duration) % 60:02}"


@register.filter
def seconds(duration: float | str | None) -> str:
    """A duration in seconds: one decimal under ten, none above; nothing while it is not known."""
    if not isinstance(duration, float):
        return ""
    return number_format(f"{duration:.1f}" if duration < 10 else f"{duration:.0f}")


@register.filter
def rough(duration: float) -> str:
    """Seconds of an estimate: no digit more than it deserves."""
    step = 1 if duration < 10 else 5
    return str(max(step * round(duration / step), 1))


@register.filter
def json(value: Any) -> str:
    """For an attribute that a script reads."""
    return DjangoJSONEncoder().encode(value)


def _dollars(amount: str) -> str:
    # Translators: an amount of US dollars
    return _("$%(amount)s") % {"amount": number_format(amount)}
