"""The browser of this machine, and people who are signed in to it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.parts import need
from tests.product import Person, Product

# The shell has no window around the page to draw: the same engine at a fifth of the cost.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def launched(playwright: Playwright) -> Browser:
    """A browser; skips the test on a machine that has none."""
    need(CHROMIUM, "chromium is not installed (apt install chromium-headless-shell, or chromium)")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


def signed_in(browser: Browser, product: Product, person: Person, **options: Any) -> BrowserContext:
    """Somebody's browser, 1440 px wide unless the options name another viewport."""
    options = {"viewport": {"width": 1440, "height": 900}, **options}
    context = browser.new_context(base_url=product.url, **options)
    context.add_cookies([{"name": product.cookie("sessionid"), "value": person.session, "url": product.url}])
    return context


def loaded(page: Page, context: BrowserContext, path: str) -> dict[str, int]:
    """What is transferred when somebody loads this path without a cache: bytes by address, as the browser counts."""
    session = context.new_cdp_session(page)
    names: dict[str, str] = {}
    sizes: dict[str, int] = {}
    session.on("Network.responseReceived", lambda said: names.update({said["requestId"]: said["response"]["url"]}))
    session.on(
        "Network.loadingFinished",
        lambda said: sizes.update({names.get(said["requestId"], said["requestId"]): said["encodedDataLength"]}),
    )
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto(path, wait_until="networkidle")
    session.detach()
    return {name: round(size) for name, size in sizes.items()}


@contextmanager
def a_visit(**environment: str) -> Iterator[tuple[Browser, Product, Person]]:
    """A browser before a fresh copy of the product, and an account on it; gone at the end of the context."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launched(playwright)
        product = Product(Path(folder), **environment)
        try:
            product.start()
            yield browser, product, product.person("ada")
        finally:
            browser.close()
            product.stop()
