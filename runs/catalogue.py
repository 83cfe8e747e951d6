"""Which models exist, what they can do and what they cost. The list is configuration; nothing of it stands in code."""

import difflib
import tomllib
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext as _

CAPABILITIES = frozenset({"vision", "reasoning"})
ID_MAX_CHARS = 200
NUMBER_MAX = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """One model that can be asked."""

    id: str
    """``provider:model``."""
    label: str
    context_window: int | None = None
    """Tokens."""
    input_price: Decimal | None = None
    """US dollars per million tokens."""
    output_price: Decimal | None = None
    """US dollars per million tokens."""
    capabilities: frozenset[str] = frozenset()
    tokens_per_second: float | None = None
    """Demo only: the pace of its script."""

    @property
    def provider(self) -> str:
        """The part before the colon."""
        return self.id.partition(":")[0]

    @property
    def name(self) -> str:
        """The part after the colon: what the vendor calls it."""
        return self.id.partition(":")[2]

    @property
    def demo(self) -> bool:
        """Whether its text is a script and no model's."""
        return (
            bool(settings.PROVIDERS[self.provider]["kind"] == "demo") if self.provider in settings.PROVIDERS else False
        )

    def cost(self, tokens_in: int | None, tokens_out: int | None) -> Decimal | None:
        """US dollars for one generation; ``None`` when a price or a count is unknown."""
        if self.input_price is None or self.output_price is None or tokens_in is None or tokens_out is None:
            return None
        return (self.input_price * tokens_in + self.output_price * tokens_out) / Decimal(1_000_000)


def available() -> list[Model]:
    """The models that can be picked now: those whose provider is configured."""
    return [_labelled(model) for model in models().values() if _is_configured(model)]


def choose(model_id: str) -> Model:
    """The model of this id, ready to be asked.

    Raises:
        ValidationError: there is no such model, or its provider is not configured.
    """
    model = models().get(model_id)
    if model is None:
        near = difflib.get_close_matches(model_id, [m.id for m in available()], n=1, cutoff=0.5)
        hint = _("Did you mean %s?") % near[0] if near else _("Choose one from the list of models.")
        raise ValidationError(_("There is no model “%(id)s”. %(hint)s"), params={"id": model_id[:100], "hint": hint})
    if not _is_configured(model):
        provider = settings.PROVIDERS.get(model.provider)
        needs = (provider and provider["needs"]) or _("Add its provider to COMPATIBLE_PROVIDERS.")
        raise ValidationError(
            _("%(label)s cannot be asked: its provider is not configured. %(needs)s"),
            params={"label": model.label, "needs": needs},
        )
    return _labelled(model)


def describe(model_id: str) -> Model:
    """The model of this id, or a bare entry for one that has left the catalogue."""
    model = models().get(model_id)
    return _labelled(model) if model else Model(id=model_id, label=model_id)


def provider_label(name: str) -> str:
    """What people call a provider."""
    provider = settings.PROVIDERS.get(name)
    return (provider and provider.get("label")) or name


@cache
def models() -> dict[str, Model]:
    """Every known model by id, configured or not: the models file, then what the environment adds.

    Raises:
        ImproperlyConfigured: the models file cannot be read or an entry is wrong.
    """
    found: dict[str, Model] = {}
    for number, entry in enumerate(_entries(settings.MODELS_FILE), start=1):
        model = _model(entry, number)
        if model.id in found:
            raise ImproperlyConfigured(f"{settings.MODELS_FILE}: the model {model.id} stands there twice. Remove one.")
        found[model.id] = model
    for provider, reach in settings.PROVIDERS.items():
        for name in reach["models"]:
            found.setdefault(f"{provider}:{name}", Model(id=f"{provider}:{name}", label=name))
    return found


def _labelled(model: Model) -> Model:
    """A demo says so wherever its name stands, in the reader's language."""
    return replace(model, label=_("%(label)s (demo, no AI)") % {"label": model.label}) if model.demo else model


def _is_configured(model: Model) -> bool:
    return model.provider in settings.PROVIDERS and settings.PROVIDERS[model.provider]["configured"]


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("models", [])
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"MODELS_FILE names {path}, which cannot be read: {error}.") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ImproperlyConfigured(f"{path}: write each model as a table [[models]].")
    return entries


def _model(entry: dict[str, Any], number: int) -> Model:
    where = f"{settings.MODELS_FILE}: model {number} ({entry.get('id', 'without an id')})"
    provider, _colon, name = str(entry.get("id", "")).partition(":")
    if not provider or not name or len(provider) + 1 + len(name) > ID_MAX_CHARS:
        raise ImproperlyConfigured(f"{where}: its id must be provider:model, of {ID_MAX_CHARS} characters at the most.")
    unknown = set(entry) - set(Model.__dataclass_fields__)
    if unknown:
        raise ImproperlyConfigured(f"{where}: it has the unknown key {sorted(unknown)[0]!r}.")
    capabilities = entry.get("capabilities", [])
    if not isinstance(capabilities, list) or not all(capability in list(CAPABILITIES) for capability in capabilities):
        raise ImproperlyConfigured(f"{where}: capabilities can be {', '.join(sorted(CAPABILITIES))}.")
    try:
        return Model(
            id=entry["id"],
            label=str(entry.get("label", name)),
            context_window=_optional(int, entry.get("context_window"), low=1),
            input_price=_optional(Decimal, entry.get("input_price")),
            output_price=_optional(Decimal, entry.get("output_price")),
            capabilities=frozenset(capabilities),
            tokens_per_second=_optional(float, entry.get("tokens_per_second"), low=0.1),
        )
    except (ValueError, ArithmeticError) as error:
        raise ImproperlyConfigured(f"{where}: a number in it is wrong ({error}).") from error


def _optional(cast: Any, value: Any, *, low: float = 0) -> Any:
    number = None if value is None else cast(str(value))
    if number is not None and not low <= number <= NUMBER_MAX:
        raise ValueError(f"{value} is not from {low:g} to {NUMBER_MAX:g}")
    return number
