"""Formatted text in a real browser: what is swapped in stays, and the end is what a reload shows."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.test_thread_page import SECONDS, TEXTS, ask, stored, until
from tests.product import Product
from tests.threads.formatting.test_rendering import HOSTILE

SHOWN = """[...document.querySelectorAll('[data-text]')].map((text) => {
    const copy = text.cloneNode(true);
    for (const input of copy.querySelectorAll('input')) input.replaceWith(input.checked ? '[x]' : '[ ]');
    return copy.innerHTML;
})"""


def test_blocks_are_swapped_in_while_a_text_grows_and_then_left_alone(page: Page, product: Product) -> None:
    turn = ask(page, "Tell me about fugues.", "demo:slow", "demo:quick")
    until(page, lambda: page.locator(".card .md").count() > 2)
    page.evaluate("window.standing = [...document.querySelectorAll('.card .md')].map((md) => [md, md.innerHTML])")
    late = page.context.new_page()
    late.goto(page.url)
    assert late.locator(".card .md").count() > 2
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=40 * SECONDS)
    assert page.evaluate("standing.every(([md, html]) => md.isConnected && md.innerHTML === html)")
    for each in (page, late):
        until(each, lambda each=each: each.locator(".text > .block").count() == 0)
        assert each.evaluate(TEXTS)[:2] == stored(product, str(turn.get_attribute("data-run")))
    shown = page.evaluate(SHOWN)
    assert late.evaluate(SHOWN) == shown
    page.reload()
    assert page.evaluate(SHOWN) == shown


def test_hostile_text_runs_nothing_and_loads_nothing(page: Page) -> None:
    turn = ask(page, "\n\n".join(HOSTILE).replace("hit()", "window.hit=1").replace("\0", ""), "wire:echo")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=40 * SECONDS)
    until(page, lambda: page.locator(".final .md").count() > 0)
    page.wait_for_timeout(1500)
    assert page.evaluate("window.hit ?? null") is None
    page.reload()
    page.wait_for_timeout(500)
    assert page.evaluate("window.hit ?? null") is None
    acting = page.locator("[data-text] :is(script, img, svg, iframe, style, form, [style], [onerror], [onload])")
    assert acting.count() == 0


START = """
const { PaintedText } = await import("/runs/painting.js");
const element = document.body.appendChild(document.createElement("div"));
const painted = new PaintedText(element, null);
const frame = () => new Promise(requestAnimationFrame);
const block = (start, end, html) => painted.format({ start, end, html });
"""


def run(modules: Page, script: str) -> Any:
    return modules.evaluate("async () => {" + START + script + "}")


def test_a_block_takes_the_place_of_its_text(modules: Page) -> None:
    assert run(
        modules,
        """painted.append("**😀**\\n\\nrest"); await frame(); block(0, 8, "<p><b>😀</b></p>"); await frame();
        painted.append(" more"); await frame();
        return [element.children.length, element.firstChild.textContent, element.lastChild.textContent, painted.read()]""",  # noqa: E501
    ) == [2, "😀", "rest more", "**😀**\n\nrest more"]


def test_a_block_waits_for_its_text_and_for_those_before_it(modules: Page) -> None:
    assert run(
        modules,
        """painted.append("one"); const missing = block(3, 6, "<p>2</p>"); await frame();
        const before = element.querySelectorAll(".md").length;
        painted.append("two"); block(0, 3, "<p>1</p>"); await frame();
        return [missing, before, element.textContent, painted.plain]""",
    ) == [True, 0, "12", False]


def test_a_new_attempt_clears_what_was_formatted(modules: Page) -> None:
    assert run(
        modules,
        """painted.append("one"); block(0, 3, "<p>1</p>"); await frame(); painted.reset(""); painted.append("new");
        await frame(); return [element.textContent, painted.plain]""",
    ) == ["new", True]


def test_what_somebody_selects_is_left_until_the_selection_is_gone(modules: Page) -> None:
    assert run(
        modules,
        """painted.append("some words"); await frame();
        getSelection().setBaseAndExtent(element.firstChild.firstChild, 0, element.firstChild.firstChild, 4);
        block(0, 10, "<p>done</p>"); await frame();
        const selected = [getSelection().toString(), element.textContent];
        getSelection().removeAllRanges();
        await new Promise((go) => setTimeout(go, 100));
        return [...selected, element.textContent]""",
    ) == ["some", "some words", "done"]
