"""How much a first visit loads: what is transferred, as it is served, over the browser's own count."""

from playwright.sync_api import BrowserContext, Page

from tests.browser.test_thread_page import SECONDS, ask, expect
from tests.chromium import loaded

BUDGET = 100 * 1024


def test_a_first_visit_loads_less_than_100_kilobytes(page: Page, context: BrowserContext) -> None:
    new = loaded(page, context, "/")
    assert any(name.endswith(".js") for name in new)
    assert any(name.endswith(".css") for name in new)
    assert 0 < sum(new.values()) < BUDGET, new


def test_a_thread_with_answers_loads_less_than_100_kilobytes(page: Page, context: BrowserContext) -> None:
    turn = ask(page, "Talk.", "demo:quick", "demo:quick", "demo:quick", "demo:quick")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=30 * SECONDS)
    thread = loaded(page, context, page.url)
    assert 0 < sum(thread.values()) < BUDGET, thread
