"""The whole way in German: not one English word of ours is left in what people see or hear."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_thread_page import SECONDS, TEXTS, until
from tests.chatproject.test_messages import MESSAGES, entries
from tests.product import ROOT, Person, Product

GERMAN = {"locale": "de-DE", "viewport": {"width": 1440, "height": 900}}
NAMES = "[data-title], [data-menu-title], .thread-link, .model-name, .option-name, .chip-name, .who"
NOT_OURS = f".text, .reason, [data-prompt], {NAMES}, code, kbd"
"""What models, people and vendors say, names, and what is typed."""
HEARD = """(others) => {
    const seen = (element) => element?.checkVisibility({ visibilityProperty: true });
    const ours = (element) => seen(element) && !element.closest(others);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const said = [document.title];
    while (walker.nextNode()) if (ours(walker.currentNode.parentElement)) said.push(walker.currentNode.data);
    for (const name of ["aria-label", "title", "placeholder"])
        for (const each of document.querySelectorAll(`[${name}]`)) if (ours(each)) said.push(each.getAttribute(name));
    return said.map((each) => each.trim()).filter(Boolean);
}"""


def words(text: str) -> set[str]:
    plain = re.sub(r"%\(\w+\)[sd]|\{\w+\}|<[^>]+>", " ", text)
    return {word.lower() for word in re.findall(r"[A-Za-zÄÖÜäöüß]{3,}", plain)}


@pytest.fixture(scope="module")
def english() -> set[str]:
    """Words that our English says and our German never does."""
    catalogue = entries(ROOT / MESSAGES / "django.po").values()
    ours = set[str]().union(*(words(entry.text) for entry in catalogue))
    theirs = set[str]().union(*(words(entry.translation) for entry in catalogue))
    found = ours - theirs
    assert {"the", "and", "answer", "writes", "settings"} <= found
    return found


def left(page: Page, english: set[str]) -> list[str]:
    """What still says an English word; names of models and threads are no words of ours."""
    said: list[str] = page.evaluate(HEARD, NOT_OURS)
    assert len(said) > 3
    names = page.evaluate("[...document.querySelectorAll('.option-name, .model-name')].map((each) => each.textContent)")
    for name in sorted(names, key=len, reverse=True):
        said = [each.replace(name, "") for each in said]
    return [each for each in said if words(each) & english]


@pytest.mark.parametrize("context", [GERMAN], indirect=True)
def test_from_the_sign_in_to_the_final_answer_in_german(
    page: Page, product: Product, ada: Person, english: set[str]
) -> None:
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert left(page, english) == []
    page.click("[data-open-picker]")
    page.locator("[data-keep] summary").click()
    assert left(page, english) == []
    page.keyboard.press("Escape")
    page.click("[data-open-keys]")
    assert left(page, english) == []
    page.keyboard.press("Escape")
    page.fill("#prompt", "Warum?")
    expect(page.locator(".composer .estimate-line")).to_be_visible()
    assert left(page, english) == []
    _run(page, ada, english)
    for path in ("/settings/?saved=", "/no-such-page/", page.url + "rename/", page.url + "delete/"):
        page.goto(path)
        assert left(page, english) == [], path
    page.context.clear_cookies(name=product.cookie("sessionid"))
    for path in ("/sign-in/", "/sign-in/1/used-up/"):
        page.goto(path)
        assert left(page, english) == [], path
    page.goto("/sign-in/")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "falsch")
    page.keyboard.press("Enter")
    expect(page.locator(".errorlist").first).to_be_visible()
    assert left(page, english) == []


def _run(page: Page, ada: Person, english: set[str]) -> None:
    """Every phase, in a thread of its own."""
    run: dict[str, Any] = ada.ask("Warum?", "demo:quick", "demo:slow", "wire:ok-300x50ms", minimum=2, soft_deadline=60)
    page.goto(f"/threads/{run['thread']}/")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 20)
    assert left(page, english) == []
    turn = page.locator("[data-run]")
    expect(turn.locator("[data-done]")).to_have_text("2", timeout=20 * SECONDS)
    page.get_by_role("button", name="Die Endfassung jetzt schreiben").click(timeout=20 * SECONDS)
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=30 * SECONDS)
    expect(turn.locator(".by")).to_contain_text("Endfassung von Quick (Demo, keine KI), aus 2 von 3 Antworten")
    assert left(page, english) == []
    turn.get_by_role("button", name="Die Antworten zeigen").click()
    turn.get_by_role("button", name="Stopp ok-300x50ms").click()
    expect(turn.locator("[data-part=verdict]")).to_contain_text("Es wurde gestoppt.", timeout=10 * SECONDS)
    assert left(page, english) == []
    page.fill("#prompt", "Und weiter?")
    page.click("[data-send]")
    expect(page.locator("[data-run]")).to_have_count(2)
    page.keyboard.press("Escape")
    second = page.locator("[data-run]").nth(1)
    expect(second).to_have_attribute("data-run-status", "cancelled", timeout=5 * SECONDS)
    expect(second.locator("[data-part=verdict]")).to_contain_text("Was bis dahin kam, bleibt erhalten")
    expect(page.locator("[data-announcer]")).to_contain_text("Gestoppt.")
    assert left(page, english) == []


def test_a_person_may_read_another_language_than_the_browsers(page: Page) -> None:
    page.goto("/settings/")
    page.get_by_label("Deutsch").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Gespeichert.")
    page.get_by_label("Wie der Browser wünscht").check()
    page.get_by_role("button", name="Speichern").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
