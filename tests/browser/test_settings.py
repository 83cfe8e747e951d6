"""What a person sets, and the page's own word about its connection."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_thread_page import SECONDS, TEXTS, WIDTHS, ask, choose, stored, until
from tests.product import Person, Product

GROUND = "getComputedStyle(document.documentElement).backgroundColor"
LIGHT, DARK = "rgb(250, 247, 240)", "rgb(22, 21, 19)"


@pytest.fixture(autouse=True)
def as_before(page: Page) -> Iterator[None]:
    """Ada is the same person for all tests."""
    yield
    page.goto("/settings/")
    for name, value in (("theme", "system"), ("send_key", "enter"), ("language", "")):
        page.locator(f'[name={name}][value="{value}"]').check()
    page.locator("[name=single_keys]").check()
    page.locator(".preferences [type=submit]").click()
    expect(page.get_by_role("status")).to_be_visible()


def save(page: Page, *labels: str) -> None:
    page.goto("/settings/")
    for label in labels:
        page.get_by_label(label, exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")


@pytest.mark.parametrize("context", WIDTHS, indirect=True)
def test_light_and_dark_go_by_the_system_until_somebody_chooses(page: Page) -> None:
    page.goto("/")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(GROUND) == DARK
    page.emulate_media(color_scheme="light")
    assert page.evaluate(GROUND) == LIGHT
    save(page, "Dark")
    assert page.evaluate(GROUND) == DARK
    page.goto("/")
    assert page.evaluate(GROUND) == DARK
    save(page, "Light")
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    assert page.evaluate(GROUND) == LIGHT


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True)
def test_the_theme_is_the_servers_so_that_nothing_flashes(page: Page, product: Product) -> None:
    save(page, "Dark")
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("meta[name=color-scheme]")).to_have_attribute("content", "dark")


def test_who_wants_it_sends_with_ctrl_and_enter(page: Page) -> None:
    save(page, "Ctrl+Enter")
    page.goto("/")
    choose(page, "demo:quick")
    page.focus("#prompt")
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    assert page.input_value("#prompt") == "one\ntwo"
    expect(page.locator(".hint")).to_contain_text("Ctrl+Enter sends")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-prompt]")).to_have_text("one\ntwo", timeout=10 * SECONDS)
    expect(page.locator("[data-run]")).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    page.get_by_role("link", name="Edit").click()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.type("three")
    assert page.locator(".edit-prompt textarea").input_value().splitlines()[-1] == "three"
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-prompt]")).to_contain_text("three", timeout=10 * SECONDS)


def test_single_characters_can_be_switched_off(page: Page) -> None:
    page.goto("/settings/")
    page.locator("[name=single_keys]").uncheck()
    page.get_by_role("button", name="Save").click()
    page.goto("/")
    page.locator("h1").click()
    page.keyboard.press("?")
    page.wait_for_timeout(300)
    expect(page.locator("#keys")).to_be_hidden()
    page.click("[data-open-keys]")
    expect(page.locator("#keys")).not_to_contain_text("shows this list")


def test_offline_in_mid_run_is_said_and_then_nothing_is_missing(
    page: Page, context: BrowserContext, product: Product
) -> None:
    turn = ask(page, "Tell me everything about canons, offline.", "demo:slow", "demo:late")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 20)
    context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.wait_for_timeout(2500)
    context.set_offline(False)
    expect(page.get_by_text("Connected again. Nothing is missing.")).to_be_visible(timeout=15 * SECONDS)
    expect(page.get_by_text("Connected again. Nothing is missing.")).to_be_hidden(timeout=10 * SECONDS)
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=40 * SECONDS)
    until(page, lambda: page.evaluate(TEXTS)[:2] == stored(product, str(turn.get_attribute("data-run"))))


def test_who_comes_back_to_a_page_that_slept_sees_what_happened(page: Page, ada: Person) -> None:
    """A machine that slept has sockets that are dead and do not know it: here one that neither hears nor speaks."""
    first = ada.ask("First", "demo:quick")
    ada.ended(first["id"])
    page.add_init_script("""
        const Real = WebSocket;
        window.sockets = [];
        window.WebSocket = class extends Real {
          constructor(...all) { super(...all); window.sockets.push(this); }
          send(text) { if (!this.asleep) super.send(text); }
        };
        window.sleep = () => { for (const socket of window.sockets) {
          const hear = socket.onmessage;
          socket.asleep = true;
          socket.onmessage = (event) => socket.asleep || hear(event);
        } };
    """)
    page.goto(f"/threads/{first['thread']}/")
    expect(page.locator("[data-connection]")).to_have_attribute("data-connection", "open")
    page.evaluate("window.sleep()")
    ada.ended(ada.ask("Second", "demo:quick", thread=first["thread"])["id"])
    expect(page.locator("[data-run]")).to_have_count(1)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("[data-run]")).to_have_count(2, timeout=15 * SECONDS)
    assert page.evaluate("window.sockets.length") == 2
