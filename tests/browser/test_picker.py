"""The picker's councils and its estimate, and the composer that keeps what was typed."""

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.test_thread_page import SECONDS, TEXTS, WIDTHS, ask, choose, until
from tests.product import Person, Product

STORED = "Object.keys(localStorage).filter((name) => name.startsWith('polyphony:draft:'))"


def open_councils(page: Page) -> None:
    page.click("[data-open-picker]")
    page.locator("[data-keep] summary").click()


def chosen(page: Page) -> list[str]:
    return page.eval_on_selector_all(
        "#picker [name=master]:checked, #picker [name=secondary]:is(:checked, [type=hidden])",
        "(inputs) => inputs.map((each) => each.value)",
    )


def count(product: Product) -> int:
    return int(product.rows("SELECT count(*) FROM runs_multimodelrun")[0][0])


@pytest.mark.parametrize("context", WIDTHS, indirect=True)
def test_a_council_is_kept_used_made_the_default_renamed_and_deleted(page: Page) -> None:
    page.goto("/")
    choose(page, "demo:slow", "demo:late", "demo:late")
    open_councils(page)
    page.fill("#council-name", "Slow ones")
    page.keyboard.press("Enter")
    chip = page.locator("[data-council]", has_text="Slow ones")
    expect(chip).to_be_visible()
    expect(page.locator("#council-name")).to_be_focused()
    expect(page.locator("#picker")).to_be_visible()
    page.keyboard.press("Escape")
    choose(page, "demo:quick")
    assert chosen(page) == ["demo:quick"]
    page.click("[data-open-picker]")
    chip.click()
    assert sorted(chosen(page)) == ["demo:late", "demo:late", "demo:slow"]
    expect(page.locator("#picker [data-count]")).to_have_text("3")
    row = page.locator("[data-council-form]", has=page.locator('[value="Slow ones"]'))
    row.get_by_role("button", name="Make it the default").click()
    expect(chip).to_contain_text("(default)")
    page.goto("/")
    assert sorted(chosen(page)) == ["demo:late", "demo:late", "demo:slow"]
    open_councils(page)
    row.locator("[name=name]").fill("Slowest")
    row.get_by_role("button", name="Rename").click()
    expect(page.locator("[data-council]", has_text="Slowest")).to_be_visible()
    page.fill("#council-name", " ")
    page.keyboard.press("Enter")
    expect(page.locator("[data-council-sentence]")).to_have_text("The council has no name. Type one.")
    page.locator("[data-council-form]").get_by_role("button", name="Delete").click()
    expect(page.locator("[data-council]")).to_have_count(0)


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True)
def test_without_the_script_a_council_is_a_link_and_a_form(page: Page, ada: Person) -> None:
    body = {"name": "Plain", "master": "demo:late", "secondaries": ["demo:quick"]}
    council = ada.api.post("/api/councils/", json=body).raise_for_status().json()
    page.goto(f"/?council={council['id']}")
    assert sorted(chosen(page)) == ["demo:late", "demo:quick"]
    ada.api.delete(f"/api/councils/{council['id']}/").raise_for_status()


def test_the_estimate_follows_the_choice_and_the_prompt(page: Page, ada: Person) -> None:
    ada.ended(ada.ask("Short", "demo:quick", "demo:quick")["id"])
    page.goto("/")
    choose(page, "demo:quick", "demo:quick")
    page.fill("#prompt", "What will it take?")
    line = page.locator(".composer .estimate-line")
    expect(line).to_contain_text("Estimate")
    expect(line).to_contain_text("cost unknown")
    page.click("[data-open-picker]")
    page.locator('[data-option="wire:ok-300x50ms@b"] [type=checkbox]').check(force=True)
    expect(page.locator("#picker .estimate-why")).to_contain_text("Not counted in the time: ok-300x50ms@b.")
    expect(page.locator("#picker .estimate-line")).to_contain_text("s or more")


def test_a_prompt_survives_a_reload_with_its_models_and_goes_when_it_is_accepted(page: Page) -> None:
    page.goto("/")
    choose(page, "demo:quick", "demo:slow", "demo:slow")
    page.fill("#prompt", "A long thought\nin two lines")
    page.reload()
    assert page.input_value("#prompt") == "A long thought\nin two lines"
    assert sorted(chosen(page)) == ["demo:quick", "demo:slow", "demo:slow"]
    page.keyboard.press("Enter")  # the field has the focus
    expect(page.locator("[data-prompt]")).to_have_text("A long thought\nin two lines", timeout=10 * SECONDS)
    assert page.evaluate(STORED) == []
    page.fill("#prompt", "The next one, elsewhere")
    page.goto("/")
    assert page.input_value("#prompt") == ""
    page.go_back()
    assert page.input_value("#prompt") == "The next one, elsewhere"
    page.get_by_role("button", name="Sign out").evaluate("(button) => button.form.dispatchEvent(new Event('submit'))")
    assert page.evaluate(STORED) == []


def test_an_answer_that_was_lost_is_asked_for_again_and_the_prompt_stored_once(page: Page, product: Product) -> None:
    page.goto("/")
    choose(page, "demo:quick")
    before = count(product)
    page.fill("#prompt", "Only once, please")

    def lose(route: Route) -> None:
        route.fetch()  # the server takes it
        route.abort()  # and nobody hears of it

    page.route("**/threads/new/runs/", lose)
    page.click("[data-send]")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    assert count(product) == before + 1
    page.unroute("**/threads/new/runs/")
    page.reload()
    page.locator("[data-send]").dblclick()
    expect(page.locator("[data-prompt]")).to_have_text("Only once, please", timeout=10 * SECONDS)
    assert count(product) == before + 1


def test_too_long_a_prompt_is_told_while_it_is_typed(page: Page) -> None:
    page.goto("/")
    page.fill("#prompt", "x" * 100_000)
    expect(page.get_by_role("alert")).to_be_hidden()
    page.fill("#prompt", "x" * 100_001)
    expect(page.get_by_role("alert")).to_have_text("100001 of at most 100000 characters. Shorten it.")


def test_escape_stops_what_is_written_unless_it_closes_something(page: Page) -> None:
    turn = ask(page, "Talk for long.", "demo:late", "demo:late")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 20)
    page.click("[data-open-picker]")
    page.keyboard.press("Escape")
    expect(page.locator("#picker")).to_be_hidden()
    page.locator(".thread-row").first.hover()
    page.locator(".thread-row summary").first.click()
    page.keyboard.press("Escape")
    expect(page.locator(".menu[open]")).to_have_count(0)
    page.wait_for_timeout(500)
    expect(turn).to_have_attribute("data-run-status", "answering")
    page.keyboard.press("Escape")
    expect(turn).to_have_attribute("data-run-status", "cancelled", timeout=5 * SECONDS)


@pytest.mark.parametrize("context", WIDTHS, indirect=True)
def test_the_cards_are_read_with_the_keyboard_alone(page: Page, context: BrowserContext) -> None:
    turn = ask(page, "Many voices", "demo:quick", "demo:quick", "demo:quick")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=30 * SECONDS)
    page.reload()
    page.fill("#prompt", "[?]")
    expect(page.locator("#keys")).to_be_hidden()
    page.locator("h1").click()
    cards = page.locator(".card [data-scroller]")
    for key, number in (("]", 0), ("]", 1), ("ArrowRight", 2), ("ArrowRight", 2), ("[", 1), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        expect(cards.nth(number)).to_be_focused()
        expect(cards.nth(number)).to_be_in_viewport(ratio=0.3)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    expect(page.locator("#keys")).to_contain_text("sends the prompt")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
