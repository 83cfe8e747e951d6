"""Mistakes in the settings that ``manage.py check`` finds before anybody asks anything."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004

from runs import catalogue


@register
def some_model_is_configured(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Without a model nothing can be asked."""
    if catalogue.available():
        return []
    hint = "Set OPENAI_API_KEY, ANTHROPIC_API_KEY or COMPATIBLE_PROVIDERS, or DEMO=on."
    return [Warning(f"No model in {settings.MODELS_FILE} has a configured provider.", hint=hint, id="runs.W001")]
