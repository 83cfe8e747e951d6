"""The cards of a run and its final answer in all phases, at three widths."""

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.test_thread_page import SECONDS, WIDTHS, ask, card_of, until
from tests.product import Person, Product
from tests.threads.formatting.test_rendering import HOSTILE

END = 40 * SECONDS
SOURCE = "(text) => text.source"


def run_of(turn: Locator) -> str:
    return str(turn.get_attribute("data-run"))


def ended(turn: Locator, status: str = "completed") -> Locator:
    expect(turn).to_have_attribute("data-run-status", status, timeout=END)
    return turn


def answered(page: Page, *models: str, says: str = "Plain.") -> Locator:
    """A completed run whose models, ``wire:says``, all say the same."""
    return ended(ask(page, f"<<<{says}>>>", *models))


def column(product: Product, run: str, name: str, kind: str = "candidate") -> list[Any]:
    rows = product.rows(
        f"SELECT {name} FROM runs_generation WHERE kind = '{kind}' AND run_id = '{run.replace('-', '')}'"
        " ORDER BY position, version"
    )
    return [value for (value,) in rows]


def final_message(product: Product, run: str) -> list[str]:
    rows = product.rows(
        "SELECT content FROM threads_message WHERE kind = 'final' AND parent_id ="
        f" (SELECT prompt_id FROM runs_multimodelrun WHERE id = '{run.replace('-', '')}')"
    )
    return [content for (content,) in rows]


def seconds(thoughts: Locator) -> float:
    return float(re.findall(r"\d+\.\d", thoughts.inner_text())[0])


def unfold(turn: Locator) -> None:
    turn.get_by_role("button", name="Show the answers").click()
    expect(turn.locator("[data-deck]")).to_be_visible()


@pytest.mark.parametrize("context", WIDTHS[::2], indirect=True)
def test_a_model_thinks_aloud_above_its_answer(page: Page, product: Product) -> None:
    turn = ask(page, "What makes a fugue?", "demo:quick", "demo:allegro")
    card = card_of(turn, "Thinker (demo, no AI)")
    expect(card).to_have_attribute("data-state", "thinking", timeout=5 * SECONDS)
    thoughts = card.locator("[data-thoughts]")
    expect(thoughts.locator("[data-thoughts-text]")).to_be_visible()
    expect(thoughts.locator("summary")).to_contain_text(re.compile(r"Thinking [1-9]\d* s"))
    before = thoughts.locator("[data-thoughts-text]").inner_text()
    until(page, lambda: len(thoughts.locator("[data-thoughts-text]").inner_text()) > len(before))
    second = page.context.new_page()
    second.goto(page.url)
    expect(card_of(second.locator("[data-run]"), "Thinker (demo, no AI)")).to_have_attribute("data-state", "thinking")
    expect(card).to_have_attribute("data-state", "streaming", timeout=10 * SECONDS)
    expect(thoughts.locator("[data-thoughts-text]")).to_be_hidden()
    expect(thoughts.locator("summary")).to_contain_text(re.compile(r"Thought for \d\.\d s"))
    later = card_of(second.locator("[data-run]"), "Thinker (demo, no AI)").locator("[data-thoughts] summary")
    expect(later).to_contain_text("Thought for")
    # Not only since this page was opened, a second into the thinking at the earliest.
    assert seconds(later) > seconds(thoughts.locator("summary")) - 0.9
    expect(page.locator("[data-announcer]")).not_to_contain_text("scripted")
    ended(turn)
    took = thoughts.locator("[data-thought-seconds]").text_content()
    expect(later.locator("[data-thought-seconds]")).to_have_text(took or "")
    [_none, kept] = column(product, run_of(turn), "reasoning")
    assert "“fugue”" in kept
    for each in (page, second):
        text = each.locator(".card [data-thoughts-text]").nth(1)
        until(each, lambda text=text: text.evaluate(SOURCE) == kept)
    assert kept not in str(column(product, run_of(turn), "sent_prompt", "synthesis"))
    page.reload()
    assert page.locator(".card [data-thoughts-text]").nth(1).evaluate(SOURCE) == kept
    expect(page.locator(".card [data-thoughts]").first).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_who_folds_the_thoughts_is_not_contradicted(page: Page) -> None:
    turn = ask(page, f"<<<{'Hm. ' * 300}>>>", "wire:thinks-slowly", "wire:ok")
    card = card_of(turn, "thinks-slowly")
    summary = card.locator("[data-thoughts] summary")
    summary.click()
    expect(card.locator("[data-thoughts-text]")).to_be_hidden()
    page.wait_for_timeout(300)
    expect(card.locator("[data-thoughts-text]")).to_be_hidden()
    summary.click()
    expect(card).to_have_attribute("data-state", "completed", timeout=END)
    expect(card.locator("[data-thoughts-text]")).to_be_visible()


def test_hostile_thoughts_run_nothing_and_load_nothing(page: Page) -> None:
    hostile = "\n\n".join(HOSTILE).replace("hit()", "window.hit=1").replace("\0", "").replace(">>>", "")
    turn = ended(ask(page, f"<<<{hostile}>>>", "wire:thinks", "wire:ok"))
    for _again in range(2):
        unfold(turn) if turn.locator("[data-deck]").is_hidden() else None
        thoughts = turn.locator(".card [data-thoughts]").first
        if not thoughts.locator("[data-thoughts-text]").is_visible():
            thoughts.locator("summary").click()
        expect(thoughts.locator("[data-thoughts-text]")).to_contain_text("<script")
        assert thoughts.locator("[data-thoughts-text] :not(.block)").count() == 0
        assert page.evaluate("window.hit ?? null") is None
        page.reload()


def boxes(turn: Locator) -> list[dict[str, float]]:
    """Of the cards that can be seen whole."""
    page = turn.page
    assert page.viewport_size
    width = page.viewport_size["width"]
    found = [card.bounding_box() for card in turn.locator(".card").all()]
    return [dict(box) for box in found if box and box["x"] >= 0 and box["x"] + box["width"] <= width]


MANY = [pytest.param(*each.values, many, id=each.id) for each, many in zip(WIDTHS, (4, 2, 1), strict=True)]


@pytest.mark.parametrize(("context", "many"), MANY, indirect=["context"])
def test_as_many_cards_stand_side_by_side_as_there_is_room_for(page: Page, many: int) -> None:
    turn = ask(page, "Talk.", "demo:late", "demo:late", "demo:late", "demo:late")
    expect(turn.locator(".card")).to_have_count(4)
    seen = boxes(turn)
    assert len(seen) == many
    assert len({(box["y"], box["height"]) for box in seen}) == 1
    assert seen[0]["height"] == 378


@pytest.mark.parametrize("context", WIDTHS[::2], indirect=True)
def test_the_cards_fold_to_chips_when_the_final_answer_begins(page: Page) -> None:
    turn = ask(page, "Talk.", "demo:slow", "demo:quick")
    deck = turn.locator("[data-deck]")
    expect(deck).to_be_visible()
    expect(turn).to_have_attribute("data-run-status", "synthesizing", timeout=END)
    until(page, lambda: turn.locator(".final [data-text]").inner_text())
    expect(deck).to_be_hidden()
    chips = turn.locator(".chip")
    expect(chips).to_have_count(2)
    expect(chips.first).to_be_visible()
    expect(chips.first.locator(".letter")).to_have_text(re.compile("[AB]"))
    expect(turn.get_by_role("button", name="Show the answers")).to_have_attribute("aria-expanded", "false")
    ended(turn)
    expect(deck).to_be_hidden()
    page.reload()
    expect(deck).to_be_hidden()
    chips.nth(1).click()
    expect(turn.locator(".card").nth(1)).to_be_in_viewport(ratio=0.5)
    page.reload()
    expect(deck).to_be_visible()
    turn.get_by_role("button", name="Fold the answers").click()
    expect(deck).to_be_hidden()
    page.reload()
    expect(deck).to_be_hidden()


def test_cards_that_somebody_reads_stay(page: Page) -> None:
    turn = ask(page, "Talk.", "demo:slow", "demo:quick")
    until(page, lambda: len(turn.locator(".card [data-text]").first.inner_text()) > 40)
    turn.locator(".card [data-scroller]").first.click()
    ended(turn)
    expect(turn.locator("[data-deck]")).to_be_visible()


def test_a_run_that_is_stopped_shows_its_cards_again(page: Page) -> None:
    turn = ask(page, "Talk.", "demo:slow", "demo:quick")
    until(page, lambda: turn.locator(".final [data-text]").inner_text(), 40)
    expect(turn.locator("[data-deck]")).to_be_hidden()
    page.click("[data-stop]")
    ended(turn, "cancelled")
    expect(turn.locator("[data-deck]")).to_be_visible()


SCROLLED = """(deck) => new Promise((done) => {
    let before = -1;
    const look = () => {
        if (deck.scrollLeft === before) return done();
        before = deck.scrollLeft;
        setTimeout(look, 150);
    };
    look();
})"""
"""Waits until what a key has set in motion stands still; else it goes on over what comes next."""


@pytest.mark.parametrize("context", WIDTHS, indirect=True)
def test_on_a_phone_the_cards_are_tabs_and_elsewhere_they_are_not(page: Page) -> None:
    turn = ask(page, "Talk.", "demo:slow", "demo:quick", "demo:quick")
    chips, cards = turn.locator("[data-chips]"), turn.locator(".card")
    assert page.viewport_size
    if page.viewport_size["width"] > 800:
        expect(chips).to_have_attribute("role", "group")
        expect(turn.get_by_role("tab")).to_have_count(0)
        return
    tabs = turn.get_by_role("tablist", name="Answers").get_by_role("tab")
    expect(tabs).to_have_count(3)
    expect(tabs.first).to_have_attribute("aria-selected", "true")
    expect(cards.first).to_have_attribute("role", "tabpanel")
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tabs.nth(1)).to_be_focused()
    expect(cards.nth(1)).to_be_in_viewport(ratio=0.5)
    expect(cards.first).not_to_be_in_viewport(ratio=0.5)
    page.keyboard.press("End")
    expect(tabs.nth(2)).to_have_attribute("aria-selected", "true")
    assert [tab.get_attribute("tabindex") for tab in tabs.all()] == ["-1", "-1", "0"]
    deck = turn.locator("[data-deck]")
    deck.evaluate(SCROLLED)
    deck.evaluate("(deck) => deck.scrollTo({ left: 0, behavior: 'instant' })")
    expect(tabs.first).to_have_attribute("aria-selected", "true")
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(chips).to_have_attribute("role", "group")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(chips).to_have_attribute("role", "tablist")
    ended(turn)
    turn.get_by_role("button", name="Fold the answers").click()
    expect(turn.get_by_role("tab")).to_have_count(0)


CITES = "Yes [A], and [A, B].\n\nNot `[A]`, not [Z], not [b](https://example.org).\n\n```\n[B]\n```\n\n**[B]**"


def test_marks_light_up_the_cards_of_their_letters(page: Page, product: Product) -> None:
    turn = answered(page, "wire:says", "wire:says@b", says=CITES)
    marks = turn.locator(".final .mark")
    expect(marks).to_have_text(["A", "A", "B", "B"])
    assert turn.locator(".final :is(code, pre, a) .mark").count() == 0
    assert turn.locator(".card .mark").count() == 0
    assert turn.locator(".final .md").first.evaluate("(block) => block.textContent.trim()") == "Yes [A], and [A, B]."
    lit = turn.locator(".chip[data-lit] .letter")
    marks.first.hover()
    expect(lit).to_have_text(["A"])
    page.mouse.move(0, 0)
    expect(lit).to_have_count(0)
    marks.last.focus()
    expect(lit).to_have_text(["B"])
    page.keyboard.press("Enter")
    expect(turn.locator('.card[data-letter="B"]')).to_be_in_viewport(ratio=0.9)
    expect(turn.locator(".card[data-lit]")).to_have_attribute("data-letter", "B")
    expect(marks.last).to_be_focused()
    label = turn.locator('.card[data-letter="B"] [data-label]').inner_text()
    expect(marks.last).to_have_accessible_name(f"Draft B: {label}")
    assert final_message(product, run_of(turn)) == [CITES]
    page.reload()
    expect(marks).to_have_count(4)


SECTIONS = """Yes.

### Where the drafts disagree:

- On **this** [A].

**What was left out**

- That.

- And that.

## And yet

More."""


def test_what_the_master_says_of_the_drafts_is_folded(page: Page) -> None:
    turn = answered(page, "wire:says", "wire:says@b", says=SECTIONS)
    for _again in range(2):
        final = turn.locator(".final [data-text]")
        heads = final.get_by_role("button", expanded=False)
        expect(heads).to_have_text(["Where they disagree", "What was left out"])
        expect(final.get_by_text("That.", exact=True)).to_be_hidden()
        expect(final.get_by_text("More.")).to_be_visible()
        heads.last.click()
        expect(final.get_by_text("And that.")).to_be_visible()
        expect(final.get_by_text("On this")).to_be_hidden()
        assert final.evaluate(SOURCE) == SECTIONS
        page.reload()


def test_an_answer_without_sections_is_left_as_it_is(page: Page) -> None:
    says = "# Disagreements\n\nNone.\n\n`What was left out`\n\n# Constructor\n\nOf an object."
    turn = answered(page, "wire:says", "wire:says@b", says=says)
    for kept in ("None.", "Constructor", "Of an object."):
        expect(turn.locator(".final [data-text]").get_by_text(kept)).to_be_visible()
    assert turn.locator(".final .section-head").count() == 0


@pytest.mark.parametrize("context", WIDTHS[::2], indirect=True)
def test_the_final_answer_is_written_again_and_again_the_old_one(page: Page, product: Product, ada: Person) -> None:
    turn = ended(ask(page, "Talk.", "wire:ok", "wire:ok-20x10ms"))
    run, first = run_of(turn), final_message(product, run_of(turn))
    assert turn.locator(".pager").count() == 0
    turn.get_by_role("button", name="With another master").click()
    dialog = page.get_by_role("dialog", name="Another version by")
    dialog.get_by_label("Model").select_option("demo:quick")
    dialog.get_by_role("button", name="Write").click()
    expect(turn.locator(".by")).to_contain_text("Quick (demo, no AI) writes another version", timeout=10 * SECONDS)
    until(page, lambda: "scripted" in turn.locator(".final [data-text]").inner_text())
    assert final_message(product, run) == first
    expect(page.locator("[data-send]")).to_be_visible()
    expect(turn.locator(".pager-count")).to_have_text("2/2", timeout=END)
    expect(turn.locator(".by")).to_contain_text("Final answer by Quick (demo, no AI), from 2 answers")
    assert "scripted demo" in final_message(product, run)[0]
    turn.get_by_role("button", name="Use the version before").click()
    expect(turn.locator(".pager-count")).to_have_text("1/2")
    expect(turn.locator(".by")).to_contain_text("Final answer by ok, from 2 answers")
    until(page, lambda: [turn.locator(".final [data-text]").evaluate(SOURCE)] == first)
    assert final_message(product, run) == first
    expect(turn.get_by_role("button", name="Use the version before")).to_be_disabled()
    page.reload()
    expect(turn.locator(".pager-count")).to_have_text("1/2")
    turn.get_by_role("button", name="Use the version after").click()
    expect(turn.locator(".pager-count")).to_have_text("2/2")
    until(page, lambda: "scripted" in turn.locator(".final [data-text]").inner_text())
    follow = ada.ended(ada.ask("And?", "wire:echo", thread=page.url.rstrip("/").split("/")[-1])["id"])
    assert "scripted demo" in follow["generations"][0]["text"]


def test_a_version_is_stopped_and_the_old_answer_is_back(page: Page, product: Product) -> None:
    turn = ended(ask(page, "Talk.", "demo:slow", "demo:quick"))
    first = final_message(product, run_of(turn))
    turn.get_by_role("button", name="Write again").click()
    expect(turn.locator(".by")).to_contain_text("writes another version", timeout=10 * SECONDS)
    until(page, lambda: turn.locator(".final [data-text]").evaluate(SOURCE) not in ("", first[0]))
    turn.locator("[data-part=verdict]").get_by_role("button", name="Stop").click()
    verdict = turn.locator("[data-part=verdict]")
    expect(verdict).to_contain_text("did not come about: It was stopped.", timeout=10 * SECONDS)
    until(page, lambda: [turn.locator(".final [data-text]").evaluate(SOURCE)] == first)
    expect(turn.locator(".final")).to_have_attribute("data-status", "completed")


def test_a_draft_is_made_the_answer(page: Page, product: Product) -> None:
    turn = ended(ask(page, "Talk.", "demo:quick", "wire:ok-20x10ms"))
    synthesis = final_message(product, run_of(turn))
    unfold(turn)
    card_of(turn, "ok-20x10ms").get_by_role("button", name="Use this answer").click()
    expect(turn.locator(".by")).to_have_text("Answer of ok-20x10ms, chosen by you")
    draft = column(product, run_of(turn), "text")[1]
    for _again in range(2):
        until(page, lambda: turn.locator(".final [data-text]").evaluate(SOURCE) == draft)
        assert final_message(product, run_of(turn)) == [draft]
        expect(turn.locator(".pager-count")).to_have_text("2/2")
        expect(card_of(turn, "ok-20x10ms").get_by_role("button", name="Use this answer")).to_be_hidden()
        page.reload()
    turn.get_by_role("button", name="Use the version before").click()
    expect(turn.locator(".by")).to_contain_text("Final answer by Quick (demo, no AI), from 2 answers")
    until(page, lambda: [turn.locator(".final [data-text]").evaluate(SOURCE)] == synthesis)


def test_a_draft_ends_the_wait_for_a_synthesis(page: Page) -> None:
    turn = ask(page, "Talk.", "demo:slow", "demo:quick")
    until(page, lambda: turn.locator(".final [data-text]").inner_text(), 40)
    unfold(turn)
    card_of(turn, "Quick (demo, no AI)").get_by_role("button", name="Use this answer").click()
    ended(turn)
    expect(turn.locator(".by")).to_have_text("Answer of Quick (demo, no AI), chosen by you")
    page.wait_for_timeout(1500)
    expect(turn.locator(".by")).to_have_text("Answer of Quick (demo, no AI), chosen by you")


def test_thumbs_are_kept_changed_and_taken_back(page: Page, product: Product) -> None:
    turn = answered(page, "wire:says", "wire:says@b")
    unfold(turn)
    query = f"SELECT count(*), min(verdict) FROM runs_feedback WHERE generation_id IN (SELECT id FROM runs_generation WHERE run_id = '{run_of(turn).replace('-', '')}')"  # noqa: E501
    for place in (turn.locator(".final"), turn.locator(".card").first):
        up, down = (place.get_by_role("button", name=re.compile(f"is {word}$")) for word in ("good", "bad"))
        up.click()
        expect(up).to_have_attribute("aria-pressed", "true")
        down.click()
        expect(down).to_have_attribute("aria-pressed", "true")
        expect(up).to_have_attribute("aria-pressed", "false")
        assert product.rows(query) == [(1, "down")]
        page.reload()
        expect(down).to_have_attribute("aria-pressed", "true")
        down.click()
        expect(down).to_have_attribute("aria-pressed", "false")
        assert product.rows(query) == [(0, None)]


def test_a_text_is_copied_and_shown_as_it_came(page: Page, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    text = "# Head\n\n- *one*\n- two <b>\n\nend"
    turn = answered(page, "wire:says", "wire:says@b", says=text)
    unfold(turn)
    for place in (turn.locator(".final"), turn.locator(".card").first):
        place.get_by_role("button", name="Copy the text").click()
        until(page, lambda: page.evaluate("navigator.clipboard.readText()") == text)
        raw = place.get_by_role("button", name="Plain text of")
        raw.click()
        expect(raw).to_have_attribute("aria-pressed", "true")
        assert place.locator(".raw").inner_text() == text
        expect(place.locator("[data-text]")).to_be_hidden()
        raw.click()
        expect(place.locator("[data-text] li").first).to_be_visible()
        assert place.locator(".raw").count() == 0
    expect(page.locator("[data-announcer]")).to_contain_text("Copied")


def test_a_growing_text_grows_also_where_it_is_plain(page: Page) -> None:
    turn = ask(page, "Talk.", "demo:slow", "demo:quick")
    card = card_of(turn, "Slow (demo, no AI)")
    until(page, lambda: len(card.locator("[data-text]").inner_text()) > 20)
    card.get_by_role("button", name="Plain text of").click()
    expect(card).to_have_attribute("data-state", "completed", timeout=END)
    until(page, lambda: card.locator(".raw").inner_text() == card.locator("[data-text]").evaluate(SOURCE))


def test_another_model_answers_in_the_place_of_one_that_failed(page: Page) -> None:
    turn = ended(ask(page, "Talk.", "wire:ok", "wire:status-401", "wire:ok-20x10ms"))
    unfold(turn)
    card = card_of(turn, "status-401")
    card.get_by_role("button", name="Another model").click()
    dialog = page.get_by_role("dialog", name="Ask another model")
    dialog.get_by_label("Model").select_option("demo:quick")
    dialog.get_by_role("button", name="Ask").click()
    expect(page.locator("#another")).to_be_hidden()
    taken = card_of(turn, "Quick (demo, no AI)")
    expect(taken).to_have_attribute("data-state", "late", timeout=END)
    turn.get_by_role("button", name="Write again").click()
    expect(turn.locator(".pager-count")).to_have_text("2/2", timeout=END)
    expect(turn.locator(".by")).to_contain_text("from 3 answers")
    expect(taken).to_have_attribute("data-state", "completed")
