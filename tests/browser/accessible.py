"""The rules of axe-core on a page: what it finds, in words that say where."""

from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "rules": {"heading-order": {"enabled": False}},  # no rule of WCAG; which headings an answer has, a model decides
}


@cache
def _axe() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def breaches(page: Page) -> list[str]:
    """Every rule that the page breaks as it stands now, with the first elements that break it."""
    page.evaluate(_axe())
    found: dict[str, Any] = page.evaluate("(rules) => axe.run(rules)", RULES)
    return [f"{each['id']}: {each['help']}: {_places(each['nodes'])}" for each in found["violations"]]


def _places(nodes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(node["html"][:160], node["failureSummary"][:300]) for node in nodes[:3]]
