"""How the page writes figures."""

from decimal import Decimal

from django import template

register = template.Library()


@register.filter
def compact(count: int) -> str:
    """A token count at a glance: 32k, 1.5M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.1f}".removesuffix(".0") + unit
    return str(count)


@register.filter
def money(dollars: Decimal) -> str:
    """US dollars with as many digits as say something."""
    if dollars >= 1 or not dollars:
        return f"${dollars:.2f}".removesuffix(".00")
    return (
        f"${dollars:.2f}"
        if dollars >= Decimal("0.1")
        else f"${dollars:.2g}"
        if dollars >= Decimal("0.001")
        else "<$0.001"
    )


@register.filter
def seconds(duration: float | str | None) -> str:
    """A duration in seconds: one decimal under ten, none above; nothing while it is not known."""
    if not isinstance(duration, float):
        return ""
    return f"{duration:.1f}" if duration < 10 else f"{duration:.0f}"
