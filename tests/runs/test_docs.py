"""The pages for authors of clients name what there is."""

import re
from typing import Any

import pytest

from runs import consumers
from runs.events import WORDS
from runs.protocol import schema
from tests.product import ROOT
from tests.runs.test_ownership import addresses


@pytest.fixture(scope="module")
def protocol() -> str:
    return (ROOT / "docs" / "protocol.md").read_text()


def test_the_protocol_names_every_word_with_its_fields(protocol: str) -> None:
    rows = dict(re.findall(r"^\| `([a-z.]+)` \| `([^`]+)`", protocol, re.MULTILINE))
    described: dict[str, Any] = schema()["$defs"]
    assert rows == {word.type: ", ".join(fields_of(described[word.__name__])) for word in WORDS}


def fields_of(word: dict[str, Any]) -> list[str]:
    if word["type"] == "array":
        return [field["title"] for field in word["prefixItems"]]
    return [name for name in word["required"] if name != "type"]


def test_the_protocol_names_every_close_code(protocol: str) -> None:
    codes = {value for name, value in vars(consumers).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d{4}) ", protocol, re.MULTILINE)} == codes | {
        1009
    }  # uvicorn's own


def test_the_page_of_the_api_names_every_address() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    routes = {"/" + re.sub(r"<[^>]+>", "{id}", route) for route, _ids in addresses() if route.startswith("api/")}
    listed = set(re.findall(r"^\| `(/api/[^`]*)` ", page, re.MULTILINE))
    assert listed == routes | {"/api/token/", "/api/models/", "/api/threads/", "/api/councils/", "/api/estimates/"}
