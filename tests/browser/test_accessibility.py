"""WCAG 2.2 AA on every page and in every phase of a run: axe's rules, and what no rule can see."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.accessible import breaches
from tests.browser.test_thread_page import SECONDS, TEXTS, WIDTHS, ask, choose, until
from tests.product import Person, Product

THEMES = [
    pytest.param({"color_scheme": scheme, **width.values[0]}, id=f"{scheme}-{width.id}")
    for scheme, width in (("light", WIDTHS[0]), ("dark", WIDTHS[0]), ("light", WIDTHS[2]), ("dark", WIDTHS[2]))
]
SMALL = """() => [...document.querySelectorAll("a, button, summary, input:not([type=hidden]), textarea, select")]
    .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .map((each) => [each, (each.labels?.[0] ?? each).getBoundingClientRect()])
    .filter(([each, box]) => box.width > 1 && (box.height < 24 || box.width < 24))
    .filter(([each]) => !each.matches("p a, .text a"))
    .map(([each, box]) => `${each.outerHTML.slice(0, 120)} ${box.width} x ${box.height}`)"""
HELD = "document.activeElement.outerHTML.slice(0, 400)"
OUTLINED = """() => { const element = document.activeElement;
    const around = [element, element.closest("label"), element.closest(".composer-box")].filter(Boolean);
    return around.map((each) => getComputedStyle(each)).some((style) => style.boxShadow.includes("1px")
        || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)); }"""


@pytest.mark.parametrize("context", THEMES, indirect=True)
def test_axe_finds_nothing_in_any_phase_of_a_run(page: Page) -> None:
    page.goto("/")
    assert breaches(page) == []
    turn = ask(page, "Show me **all** kinds of formatting.", "demo:quick", "demo:slow", "wire:status-401")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 20)
    expect(turn.locator('.card[data-state="failed"]')).to_be_attached(timeout=10 * SECONDS)
    assert breaches(page) == []
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=30 * SECONDS)
    assert breaches(page) == []
    stopped = ask(page, "Talk for long.", "demo:late", "demo:late")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 20)
    page.click("[data-stop]")
    expect(stopped).to_have_attribute("data-run-status", "cancelled", timeout=5 * SECONDS)
    assert breaches(page) == []
    failed = ask(page, "Who is there?", "wire:status-401", "wire:status-401")
    expect(failed.get_by_role("heading", name="No final answer")).to_be_visible(timeout=20 * SECONDS)
    assert breaches(page) == []


@pytest.mark.parametrize("context", THEMES, indirect=True)
def test_axe_finds_nothing_in_the_dialogs(page: Page) -> None:
    page.goto("/")
    page.fill("#prompt", "Something")
    page.click("[data-open-picker]")
    page.locator("[data-keep] summary").click()
    page.fill("#council-name", "Accessible")
    page.keyboard.press("Enter")
    expect(page.locator("[data-council]").first).to_be_visible()
    expect(page.locator("#picker .estimate-line")).to_be_visible()
    assert breaches(page) == []
    assert page.evaluate(SMALL) == []
    page.keyboard.press("Escape")
    page.locator("[data-prompt], h1").first.click()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    assert breaches(page) == []


@pytest.mark.parametrize("context", THEMES, indirect=True)
def test_axe_finds_nothing_on_the_other_pages(page: Page, ada: Person, product: Product) -> None:
    run = ada.ask("Short", "wire:ok")
    ada.ended(run["id"])
    thread = f"/threads/{run['thread']}/"
    for path in ("/settings/", f"{thread}rename/", f"{thread}delete/", "/no-such-page/"):
        page.goto(path)
        assert breaches(page) == [], path
        assert page.evaluate(SMALL) == [], path
    page.context.clear_cookies(name=product.cookie("sessionid"))
    for path in ("/sign-in/", "/sign-in/1/used-up/"):
        page.goto(path)
        assert breaches(page) == [], path
        assert page.evaluate(SMALL) == [], path


@pytest.mark.parametrize("context", WIDTHS, indirect=True)
def test_whatever_is_pressed_is_large_enough(page: Page) -> None:
    turn = ask(page, "Talk.", "wire:ok-20x10ms", "wire:ok-300x50ms")
    expect(turn.get_by_role("button", name="Write the final answer now")).to_be_visible(timeout=10 * SECONDS)
    assert page.evaluate(SMALL) == []
    page.keyboard.press("Escape")
    expect(turn).to_have_attribute("data-run-status", "cancelled", timeout=5 * SECONDS)
    assert page.evaluate(SMALL) == []


@pytest.mark.parametrize("context", [{"viewport": {"width": 640, "height": 400}}], indirect=True)
def test_at_twice_the_size_nothing_is_cut_off(page: Page) -> None:
    """A window of 1280 pixels at 200 % shows 640 of them."""
    turn = ask(page, "Talk.", "demo:quick", "demo:quick")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    for path in (page.url, "/", "/settings/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
    page.goto("/")
    page.click("[data-open-picker]")
    done = page.locator("#picker .picker-foot button")
    done.scroll_into_view_if_needed()
    expect(done).to_be_in_viewport(ratio=1)
    last = page.locator("[data-option]").last
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()


def test_the_keyboard_alone_goes_everywhere_and_one_sees_where(page: Page) -> None:
    turn = ask(page, "Talk.", "demo:quick", "demo:quick")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    page.reload()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the prompt")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport(ratio=1)
    held = []
    for _press in range(200):  # a link and a menu for each thread of the list
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        held.append(page.evaluate(HELD))
        assert page.evaluate(OUTLINED), held[-1]
    for part in ('href="/settings/', "data-fold", 'id="prompt"', "data-open-picker", "data-open-keys", "data-send"):
        assert any(part in each for each in held), part
    skip.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_be_focused()


@pytest.mark.parametrize("context", [{"reduced_motion": "reduce"}], indirect=True)
def test_who_wants_no_motion_sees_none(page: Page) -> None:
    turn = ask(page, "Talk.", "demo:late", "demo:late")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 20)
    moving = "document.getAnimations().filter((each) => each.playState === 'running').length"
    assert page.evaluate(moving) == 0
    page.keyboard.press("Escape")
    expect(turn).to_have_attribute("data-run-status", "cancelled", timeout=5 * SECONDS)


def test_a_picker_full_to_its_limit_says_so_to_those_who_listen(page: Page, context: BrowserContext) -> None:
    page.goto("/")
    choose(page, "demo:quick", *["demo:slow"] * 7)
    page.click("[data-open-picker]")
    expect(page.locator("#picker .picker-foot [role=status]")).to_contain_text("take one away to add another")
    assert breaches(page) == []
