from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError

from runs import catalogue, checks
from tests.runs.conftest import provider

pytestmark = pytest.mark.usefixtures("models")


def reread(models: Path, text: str | bytes) -> dict[str, catalogue.Model]:
    models.write_bytes(text if isinstance(text, bytes) else text.encode())
    catalogue.models.cache_clear()
    return catalogue.models()


def test_a_model_is_available_when_its_provider_is_configured() -> None:
    assert [model.id for model in catalogue.available()] == ["swift:one", "swift:two", "swift:three", "played:script"]


def test_a_provider_may_name_models_that_the_file_does_not(models: Path, settings: Any) -> None:
    settings.PROVIDERS["home"] = provider(models=("llama", "swift"))
    found = reread(models, "")
    assert {model.id: model.label for model in found.values()} == {"home:llama": "llama", "home:swift": "swift"}


def test_a_model_without_a_label_is_called_by_its_name() -> None:
    assert catalogue.describe("swift:two").label == "two"


def test_a_demo_says_so_wherever_it_is_named() -> None:
    assert catalogue.describe("played:script").label == "Script (demo, no AI)"


def test_a_model_that_left_the_catalogue_is_called_by_its_id() -> None:
    assert catalogue.describe("gone:model").label == "gone:model"
    assert not catalogue.describe("gone:model").demo


@pytest.mark.parametrize("wrong", ["swift:on", "swift:One", "one", "swfit:one"])
def test_a_typo_gets_a_hint(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"Did you mean swift:(one|two|three)"):
        catalogue.choose(wrong)


def test_a_model_whose_provider_lost_its_key_says_what_to_set() -> None:
    with pytest.raises(ValidationError, match="Set LOST_API_KEY and restart"):
        catalogue.choose("lost:key")


def test_a_model_of_a_provider_that_nobody_knows_says_what_to_do(models: Path) -> None:
    reread(models, '[[models]]\nid = "nobody:x"')
    with pytest.raises(ValidationError, match="Add its provider to COMPATIBLE_PROVIDERS"):
        catalogue.choose("nobody:x")


def test_a_cost_is_known_when_both_prices_and_counts_are() -> None:
    assert catalogue.describe("swift:one").cost(1_000_000, 2_000_000) == 6
    assert catalogue.describe("swift:one").cost(None, 1) is None
    assert catalogue.describe("swift:two").cost(1, 1) is None


WRONG = {
    "no toml": ("[[models]", "cannot be read"),
    "no text": (b"\xff\xfe", "cannot be read"),
    "one table": ("[models]\nid = 'a:b'", r"write each model as a table \[\[models\]\]"),
    "a list of texts": ("models = ['a:b']", r"write each model as a table \[\[models\]\]"),
    "no id": ("[[models]]\nlabel = 'x'", r"model 1 \(without an id\): its id must be provider:model"),
    "no provider": ("[[models]]\nid = 'x'", "its id must be provider:model"),
    "an empty name": ("[[models]]\nid = 'x:'", "its id must be provider:model"),
    "an unknown key": ("[[models]]\nid = 'a:b'\nprice = 1", "it has the unknown key 'price'"),
    "twice": ("[[models]]\nid = 'a:b'\n[[models]]\nid = 'a:b'", "the model a:b stands there twice"),
    "a capability": ("[[models]]\nid = 'a:b'\ncapabilities = ['fly']", "capabilities can be reasoning, vision"),
    "a window": ("[[models]]\nid = 'a:b'\ncontext_window = 'big'", "a number in it is wrong"),
    "a price": ("[[models]]\nid = 'a:b'\ninput_price = 'cheap'", "a number in it is wrong"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_stops_the_start_with_what_to_correct(models: Path, what: str) -> None:
    text, sentence = WRONG[what]
    with pytest.raises(ImproperlyConfigured, match=sentence):
        reread(models, text)


WRONG_TYPES = {
    "an id that is a number": "[[models]]\nid = 7",
    "capabilities that are a number": "[[models]]\nid = 'a:b'\ncapabilities = 7",
    "capabilities that are a text": "[[models]]\nid = 'a:b'\ncapabilities = 'vision'",
    "capabilities that hold a list": "[[models]]\nid = 'a:b'\ncapabilities = [['vision']]",
    "a negative price": "[[models]]\nid = 'a:b'\ninput_price = -1",
    "a price that is no number": "[[models]]\nid = 'a:b'\ninput_price = nan",
    "a window of nothing": "[[models]]\nid = 'a:b'\ncontext_window = 0",
    "a pace of nothing": "[[models]]\nid = 'a:b'\ntokens_per_second = 0",
    "an id that is too long to be stored": f"[[models]]\nid = 'a:{'b' * 200}'",
}


@pytest.mark.parametrize("what", WRONG_TYPES)
def test_a_value_of_a_wrong_kind_stops_the_start(models: Path, what: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        reread(models, WRONG_TYPES[what])


def test_a_file_that_is_not_there_stops_the_start_and_is_named(models: Path) -> None:
    models.unlink()
    catalogue.models.cache_clear()
    with pytest.raises(ImproperlyConfigured, match=f"MODELS_FILE names {models}"):
        catalogue.models()


def test_the_file_that_is_shipped_can_be_read(settings: Any) -> None:
    settings.MODELS_FILE = settings.BASE_DIR / "chatproject" / "models.toml"
    catalogue.models.cache_clear()
    assert catalogue.models()


def test_a_copy_without_any_model_is_warned_about(settings: Any) -> None:
    assert checks.some_model_is_configured(None) == []
    settings.PROVIDERS = {}
    (warning,) = checks.some_model_is_configured(None)
    assert warning.id == "runs.W001"
