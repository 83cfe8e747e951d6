"""Make the README's picture from the running product: ``python -m docs.picture``. Needs chromium."""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from tests.product import Person, Product, wait_for

PICTURE = Path(__file__).with_name("picture.png")
QUESTION = "We have one week in Lisbon with two small children. Where should we stay, and what would you skip?"
MODELS = ("demo:andante", "demo:allegro", "demo:presto")


def main() -> None:
    """Ask three models and take the picture while they answer."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        product = Product(Path(folder))
        try:
            product.start()
            person = product.person("ada")
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            _take(browser.new_context(viewport={"width": 1440, "height": 900}), product, person)
            browser.close()
        finally:
            product.stop()


def _take(context: BrowserContext, product: Product, person: Person) -> None:
    context.add_cookies([{"name": product.cookie("sessionid"), "value": person.session, "url": product.url}])
    run = person.ask(QUESTION, *MODELS)
    page = context.new_page()
    page.goto(f"{product.url}/threads/{run['thread']}/")
    wait_for(lambda: person.run(run["id"])["generations"][2]["status"] == "completed", 30, what="the fastest draft")
    page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
