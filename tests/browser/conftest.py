"""A real browser, and the running product with models of every temper.

All of it lasts for this package only: while Playwright's own loop runs, no other test may start one.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.chromium import launched, signed_in
from tests.product import ROOT, Person, Product

HOSTILE = "</b><script>window.hit=1</script><img src=x onerror=window.hit=1>"
MODELS = f"""
[[models]]
id = "demo:slow"
label = "Slow"
tokens_per_second = 40
[[models]]
id = "demo:quick"
label = "Quick"
tokens_per_second = 120
[[models]]
id = "demo:late"
label = "Late"
tokens_per_second = 25
[[models]]
id = "demo:allegro"
label = "Thinker"
tokens_per_second = 15
[[models]]
id = "wire:echo"
label = "Echo {HOSTILE}"
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def product(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "models.toml").write_text(MODELS)
    command = [sys.executable, "-m", "tests.wire", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as wire:
        assert wire.stdout is not None
        product = Product(
            folder,
            MODELS_FILE=str(folder / "models.toml"),
            COMPATIBLE_PROVIDERS=f"wire={(url := f'http://127.0.0.1:{int(wire.stdout.readline())}/v1')},narrow={url}",
            COMPATIBLE_WIRE_MODELS="echo,status-401,ok,ok-20x10ms,ok-60x50ms,ok-300x50ms,ok-300x50ms@b,fail-3-then-ok,only-drafts,says,says@b,says@c,says@d,thinks,thinks-slowly",
            COMPATIBLE_NARROW_MODELS="ok-20x50ms",
            PROVIDER_AT_ONCE="narrow=1",
            FALLBACK_MASTERS="demo:quick",
            SWEEP_SECONDS="0.5",
        )
        try:
            product.start()
            yield product
        finally:
            product.stop()
            wire.terminate()


@pytest.fixture(scope="package")
def ada(product: Product) -> Person:
    return product.person("ada")


@pytest.fixture
def context(
    request: pytest.FixtureRequest, browser: Browser, product: Product, ada: Person
) -> Iterator[BrowserContext]:
    """Ada's browser; a test asks for another width by parametrizing this fixture indirectly.

    What another test has kept is gone: which files share a running product is a matter of chance.
    """
    for council in ada.api.get("/api/councils/").raise_for_status().json()["results"]:
        ada.api.delete(f"/api/councils/{council['id']}/").raise_for_status()
    context = signed_in(browser, product, ada, **getattr(request, "param", {}))
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, product: Product) -> Iterator[Page]:
    """A page on which nothing may break: no error, no breach of the policy, no request to another host."""
    troubles: list[str] = []
    context.on("request", lambda request: request.url.startswith(product.url) or troubles.append(request.url))
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    context.on("console", lambda entry: entry.type == "error" and _counts(entry.text) and troubles.append(entry.text))
    yield context.new_page()
    assert troubles == []


@pytest.fixture
def modules(browser: Browser) -> Iterator[Page]:
    """An empty page beside our modules, to try them by themselves."""
    page = browser.new_page()
    page.route("http://modules.test/**", lambda route: _module(route, route.request.url))
    page.goto("http://modules.test/")
    yield page
    page.close()


def _module(route: Any, url: str) -> None:
    path = ROOT / "runs/static" / Path(url.removeprefix("http://modules.test/"))
    if path.suffix == ".js":
        route.fulfill(path=path, content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>Modules</title>", content_type="text/html")


def _counts(text: str) -> bool:
    """A refused form and a server that is away are part of some tests."""
    return "Failed to load resource" not in text and "WebSocket connection" not in text and "net::ERR" not in text
