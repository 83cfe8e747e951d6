"""What counts as a draft: the one answer that the join, the master's prompt and the page all give."""

from django.utils.translation import gettext as _

from runs.models import GENERATION_ACTIVE, GenerationStatus

REFUSAL = "refusal"
"""The finish reason of a model, or of its vendor's filter, that declined."""


def why_missing(status: str, finish_reason: str, text: str, error: str, *, late: bool = False) -> str:
    """The sentence that says why a candidate gave no draft to the final answer; empty when it gave one."""
    if status == GenerationStatus.CANCELLED:
        return _("It was stopped.")
    if status in GENERATION_ACTIVE:
        return error or _("It was still writing.")
    if status != GenerationStatus.COMPLETED:
        return error or _("It has not answered.")
    if late:
        return _("Its answer came after the final answer had begun.")
    if finish_reason == REFUSAL:
        return _("It declined to answer.")
    return "" if text.strip() else _("Its answer was empty.")
