"""Make the README's pictures from the running product: ``python -m docs.picture``. Needs chromium."""

from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from tests.chromium import a_visit, signed_in
from tests.product import Person, wait_for

FOLDER = Path(__file__).parent
QUESTION = "We have one week in Lisbon with two small children. Where should we stay, and what would you skip?"
MODELS = ("demo:andante", "demo:allegro", "demo:presto")


def main() -> None:
    """Ask three models; take a picture while they answer, of the final answer, and of that in the dark on a phone."""
    with a_visit() as (browser, product, person):
        wide = signed_in(browser, product, person)
        phone = signed_in(browser, product, person, viewport={"width": 390, "height": 844}, color_scheme="dark")
        _take(wide, phone, person)


def _take(wide: BrowserContext, phone: BrowserContext, person: Person) -> None:
    run = person.ask(QUESTION, *MODELS)
    page, narrow = (_opened(context, run["thread"]) for context in (wide, phone))
    wait_for(lambda: person.run(run["id"])["generations"][2]["status"] == "completed", 30, what="the fastest draft")
    page.screenshot(path=FOLDER / "picture.png")
    person.ended(run["id"], 60)
    for view in (page, narrow):
        view.locator('[data-run-status="completed"]').wait_for()
    page.screenshot(path=FOLDER / "answer.png")
    narrow.screenshot(path=FOLDER / "phone.png")


def _opened(context: BrowserContext, thread: str) -> Page:
    page = context.new_page()
    page.goto(f"/threads/{thread}/")
    return page


if __name__ == "__main__":
    main()
