"""The list of threads, versions of a prompt, and the link to read: by mouse and by keyboard, wide and narrow."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_thread_page import SECONDS, WIDTHS, ask
from tests.product import Person, Product

BOTH = pytest.mark.parametrize("context", WIDTHS[::2], indirect=True)
MODELS = ("wire:ok", "wire:ok", "wire:echo")


def ended(page: Page) -> Locator:
    """The last turn, once it has its answer."""
    last = page.locator("[data-run]").last
    expect(last).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    return last


def asked(page: Page, prompt: str) -> Locator:
    """A new thread with one answered prompt."""
    ask(page, prompt, *MODELS)
    return ended(page)


def prompts(page: Page) -> list[str]:
    return page.locator("[data-prompt]").all_inner_texts()


def edit(page: Page, turn: Locator, text: str) -> None:
    turn.get_by_role("link", name="Edit").click()
    field = turn.get_by_role("textbox", name="Prompt")
    field.fill(text)
    turn.locator(".edit-prompt").get_by_role("button", name="Send").click()


def named(page: Page, title: str) -> str:
    """A title that no other test gave: the threads of one width are there at the next one."""
    return f"{title}, at {page.viewport_size['width'] if page.viewport_size else 0}"


def open_list(page: Page) -> None:
    """On a narrow page the list is behind a button."""
    if not page.locator("#sidebar").is_visible():
        page.locator(".topbar [popovertarget]").click()
    expect(page.locator("#sidebar")).to_be_visible()


def row(page: Page, title: str) -> Locator:
    return page.locator(".thread-row", has=page.get_by_text(title, exact=True))


def menu(page: Page, title: str, entry: str) -> None:
    open_list(page)
    here = row(page, title)
    here.hover()
    here.locator("summary").click()
    here.locator(".menu-list").get_by_text(entry, exact=True).click()


@BOTH
def test_an_edited_prompt_is_a_version_that_reload_and_another_tab_show(page: Page) -> None:
    asked(page, "What is a canon?")
    page.fill("#prompt", "And then?")
    page.click("[data-send]")
    expect(page.locator("[data-run]")).to_have_count(2)
    ended(page)
    second = page.context.new_page()
    second.goto(page.url)
    edit(page, page.locator("[data-run]").first, "What is a fugue?")
    expect(page.locator("[data-prompt]")).to_have_text(["What is a fugue?"])
    ended(page)
    expect(second.locator("[data-prompt]")).to_have_text(["What is a fugue?"])
    page.get_by_role("button", name="Previous version").click()
    expect(page.locator("[data-prompt]")).to_have_text(["What is a canon?", "And then?"])
    expect(page.locator("[data-announcer]")).to_contain_text("Version 1 of 2")
    expect(second.locator("[data-prompt]")).to_have_text(["What is a canon?", "And then?"])
    page.reload()
    assert prompts(page) == ["What is a canon?", "And then?"]
    expect(page.locator(".pager-place")).to_have_text("Version 1/ of 2")
    expect(page.get_by_role("button", name="Previous version")).to_be_disabled()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@BOTH
def test_versions_are_made_and_leafed_through_by_keyboard(page: Page) -> None:
    turn = asked(page, "One")
    turn.get_by_role("link", name="Edit").focus()
    page.keyboard.press("Enter")
    field = turn.get_by_role("textbox", name="Prompt")
    expect(field).to_be_focused()
    expect(field).to_have_value("One")
    page.keyboard.press("Escape")
    expect(turn.get_by_role("link", name="Edit")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type(", edited")
    if page.viewport_size and page.viewport_size["width"] < 820:  # there Enter begins a new line, as in the composer
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-prompt]")).to_have_text(["One, edited"])
    ended(page)
    page.get_by_role("button", name="Previous version").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-prompt]")).to_have_text(["One"])
    forth = page.get_by_role("button", name="Next version")
    expect(forth).to_be_focused()  # there is no earlier one, so the focus is on the way back
    page.keyboard.press("Enter")
    expect(page.locator("[data-prompt]")).to_have_text(["One, edited"])
    expect(page.get_by_role("button", name="Previous version")).to_be_focused()


def test_the_same_prompt_is_asked_again_and_the_composer_keeps_what_is_typed(page: Page) -> None:
    turn = asked(page, "Once more?")
    page.fill("#prompt", "A half of a sentence")
    turn.get_by_text("Ask again").click()
    turn.get_by_role("button", name="With the same models").click()
    expect(page.locator(".pager-place")).to_contain_text("2")
    assert prompts(page) == ["Once more?"]
    expect(ended(page).locator(".card")).to_have_count(3)
    expect(page.locator("#prompt")).to_have_value("A half of a sentence")


def test_a_run_of_another_version_can_be_gone_back_to_and_stopped(page: Page) -> None:
    turn = asked(page, "Quick one")
    page.click("[data-open-picker]")
    page.locator('[name=master][value="wire:ok-300x50ms"]').check(force=True)
    page.click("#picker .picker-foot button")
    edit(page, turn, "A long one")
    expect(page.locator("[data-prompt]")).to_have_text(["A long one"])
    page.get_by_role("button", name="Previous version").click()
    expect(page.get_by_text("Another version of this thread is being answered.")).to_be_visible()
    expect(page.locator("[data-stop]")).to_be_visible()
    page.get_by_role("button", name="Go there").click()
    expect(page.locator("[data-prompt]")).to_have_text(["A long one"])
    page.get_by_role("button", name="Previous version").click()
    page.click("[data-stop]")
    expect(page.get_by_text("Another version of this thread is being answered.")).to_be_hidden(timeout=10 * SECONDS)
    expect(page.locator("[data-send]")).to_be_visible()


@BOTH
def test_a_thread_is_renamed_in_place(page: Page, ada: Person) -> None:
    before, after = named(page, "Before"), named(page, "<b>After</b>")
    asked(page, before)
    menu(page, before, "Rename")
    field = page.get_by_role("textbox", name="Title")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    menu(page, before, "Rename")
    page.keyboard.type(after)
    page.keyboard.press("Enter")
    expect(row(page, after)).to_be_visible()
    expect(page.locator("h1")).to_have_text(after)
    expect(row(page, after).locator("summary")).to_be_focused()
    page.reload()
    expect(page.locator("h1")).to_have_text(after)


@BOTH
def test_a_deleted_thread_is_taken_back(page: Page, ada: Person) -> None:
    title = named(page, "To be deleted")
    ada.api.post("/api/threads/", json={"title": title}).raise_for_status()
    page.goto("/")
    menu(page, title, "Delete")
    expect(row(page, title)).to_have_count(0)
    toast = page.locator("[data-toast]")
    expect(toast).to_contain_text(f"Deleted. {title}")
    toast.get_by_role("button", name="Undo").click()
    open_list(page)
    expect(row(page, title)).to_be_visible()
    expect(toast).to_have_count(0)


def test_a_thread_is_deleted_and_taken_back_by_keyboard(page: Page, ada: Person) -> None:
    ada.api.post("/api/threads/", json={"title": "By keyboard"}).raise_for_status()
    page.goto("/")
    here = row(page, "By keyboard")
    here.locator("summary").focus()
    page.keyboard.press("Enter")
    here.get_by_role("link", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(here.locator(".thread-link")).to_be_focused()


@BOTH
def test_the_open_thread_is_deleted_with_its_run_and_taken_back(page: Page, ada: Person) -> None:
    turn = ask(page, "Soon gone", "wire:ok-300x50ms", "wire:ok-300x50ms")
    run, address = str(turn.get_attribute("data-run")), page.url
    page.locator(".topbar .menu summary").click()
    page.locator(".topbar .menu-list").get_by_text("Delete").click()
    expect(page.get_by_text("One question, several voices, one answer.")).to_be_visible()
    assert ada.api.get(f"/api/runs/{run}/").status_code == 404
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url(address)
    expect(page.locator(f'[data-run="{run}"]')).to_have_attribute("data-run-status", "cancelled", timeout=10 * SECONDS)


@BOTH
def test_a_pinned_thread_stands_on_top(page: Page, ada: Person) -> None:
    title = named(page, "To be pinned")
    ada.api.post("/api/threads/", json={"title": title}).raise_for_status()
    ada.api.post("/api/threads/", json={"title": "Newer"}).raise_for_status()
    page.goto("/")
    menu(page, title, "Pin")
    first = page.locator(".thread-row").first
    expect(first).to_contain_text(title)
    expect(first.locator("summary")).to_be_focused()
    page.reload()
    menu(page, title, "Unpin")
    expect(page.locator(".thread-row").first).not_to_contain_text(title)


@BOTH
def test_threads_are_found_by_their_words(page: Page, ada: Person) -> None:
    word = f"passacaglia{page.viewport_size['width'] if page.viewport_size else 0}"
    asked(page, f"Tell me of the {word}")
    page.goto("/")
    open_list(page)
    page.fill("#thread-search", word.upper())
    expect(page.locator("[data-thread-count]")).to_contain_text("Threads found: 1")
    expect(page.locator(".thread-row")).to_have_count(1)
    page.fill("#thread-search", "no thread has this")
    expect(page.get_by_text("No thread has these words in it.")).to_be_visible()
    page.fill("#thread-search", "")
    expect(page.locator(".thread-row").nth(1)).to_be_visible()


def test_older_threads_come_when_the_list_is_scrolled(page: Page, product: Product) -> None:
    many = product.person("collector")
    for number in range(70):
        many.api.post("/api/threads/", json={"title": f"Number {number}"}).raise_for_status()
    page.context.clear_cookies()
    page.context.add_cookies([{"name": product.cookie("sessionid"), "value": many.session, "url": product.url}])
    page.goto("/")
    rows = page.locator(".thread-row")
    assert rows.count() < 70
    for _ in range(4):
        page.locator(".threads").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
        page.wait_for_timeout(300)
    expect(rows).to_have_count(70)
    assert page.locator(".thread-title").all_inner_texts() == [f"Number {number}" for number in range(69, -1, -1)]
    expect(page.locator("[data-older]")).to_have_count(0)


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Page]:
    """Somebody without an account."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@BOTH
def test_a_link_is_read_by_strangers_until_it_is_revoked(page: Page, stranger: Page) -> None:
    asked(page, "Shall I share this?")
    page.locator(".topbar .menu summary").click()
    page.locator(".topbar .menu-list").get_by_text("Share").click()
    dialog = page.get_by_role("dialog", name="Share this thread")
    dialog.get_by_role("button", name="Make a link").click()
    field = dialog.get_by_role("textbox", name="Link")
    expect(field).to_be_focused()
    link = field.input_value()
    troubles: list[str] = []
    stranger.on("console", lambda entry: entry.type == "error" and troubles.append(entry.text))
    answer = stranger.goto(link)
    assert answer is not None
    assert (answer.headers["x-robots-tag"], answer.headers["referrer-policy"]) == ("noindex, nofollow", "no-referrer")
    expect(stranger.locator(".shared-prompt")).to_have_text("Shall I share this?")
    drafts = stranger.locator("details")
    expect(drafts).to_have_count(3)
    expect(drafts.first.locator(".shared-text")).to_be_hidden()
    drafts.first.locator("summary").click()
    expect(drafts.first.locator(".shared-text")).to_be_visible()
    assert troubles == []
    assert "ada" not in re.findall(r"\w+", stranger.content())
    dialog.get_by_role("button", name="Revoke the link").click()
    expect(dialog.get_by_role("button", name="Make a link")).to_be_focused()
    answer = stranger.reload()
    assert answer is not None
    assert answer.status == 404
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_thread_is_saved_in_both_forms(page: Page, tmp_path: Path) -> None:
    asked(page, "To be kept")
    texts = {}
    for name in ("Markdown", "JSON"):
        page.locator(".topbar .menu summary").click()
        with page.expect_download() as download:
            page.locator(".topbar .menu-list").get_by_text(f"Save as {name}").click()
        download.value.save_as(tmp_path / name)
        texts[name] = (download.value.suggested_filename, (tmp_path / name).read_text())
    assert texts["Markdown"][0] == "To_be_kept.md"
    assert texts["Markdown"][1].startswith("# To be kept\n")
    assert len(json.loads(texts["JSON"][1])["turns"][0]["drafts"]) == 3


@BOTH
def test_an_example_of_the_empty_page_goes_into_the_composer(page: Page) -> None:
    page.goto("/")
    example = page.locator("[data-example]").nth(1)
    example.click()
    expect(page.locator("#prompt")).to_have_value(example.inner_text())
    expect(page.locator("#prompt")).to_be_focused()
