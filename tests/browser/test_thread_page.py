"""The page of a thread, in a real browser before the running product."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.browser.conftest import HOSTILE
from tests.product import Person, Product, wait_for

SECONDS = 1000
WIDTHS = [
    pytest.param({"viewport": {"width": 1440, "height": 900}}, id="1440"),
    pytest.param({"viewport": {"width": 820, "height": 1100}}, id="820"),
    pytest.param({"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}, id="390"),
]
TEXTS = "[...document.querySelectorAll('[data-text]')].map((each) => each.source)"
BOXES = "[...document.querySelectorAll('.card')].map((card) => [card.offsetLeft, card.offsetHeight])"


def choose(page: Page, master: str, *secondaries: str) -> None:
    """Pick models in the dialog as a person would."""
    page.click("[data-open-picker]")
    page.locator(f'[name=master][value="{master}"]').check(force=True)
    checked = page.locator("#picker [type=checkbox]:checked")
    while checked.count():
        checked.first.evaluate("(box) => box.click()")  # the rows are still coming in, and a mouse might miss them
    for model in secondaries:
        option = page.locator(f'[data-option="{model}"]')
        check = option.locator("[type=checkbox]")
        if check.is_checked():
            option.locator("[data-more]").click()
        else:
            check.check(force=True)
    page.get_by_label("When every model is done").check()  # else the last test's wait is remembered
    page.click("#picker .picker-foot button")


def ask(page: Page, prompt: str, *models: str) -> Locator:
    """Ask in a new thread; returns its turn."""
    page.goto("/")
    choose(page, *models)
    page.fill("#prompt", prompt)
    page.click("[data-send]")
    turn = page.locator("[data-run]")
    expect(turn).to_be_visible(timeout=10 * SECONDS)
    return turn


def until(page: Page, done: Callable[[], Any], seconds: float = 20) -> None:
    """Playwright's own waiting for a function needs eval, which the policy forbids."""

    def look() -> Any:
        page.wait_for_timeout(20)
        return done()

    wait_for(look, seconds, what="the page")


def stored(product: Product, run: str) -> list[str]:
    """The texts of a run's cards as the database has them."""
    rows = product.rows(
        "SELECT text FROM runs_generation WHERE kind = 'candidate'"
        f" AND run_id = '{run.replace('-', '')}' ORDER BY position"
    )
    return [text for (text,) in rows]


@pytest.mark.parametrize("context", WIDTHS, indirect=True)
def test_from_the_question_to_the_final_answer(page: Page, product: Product) -> None:
    turn = ask(page, "What makes counterpoint sound inevitable?", "demo:quick", "demo:slow", "demo:quick")
    expect(turn.locator(".card")).to_have_count(3)
    before = page.evaluate(BOXES)
    until(page, lambda: all(page.evaluate("[...document.querySelectorAll('.card .text')].map((t) => t.textContent)")))
    expect(turn.locator('.card [data-when="streaming"] .word').first).to_be_visible()
    assert page.evaluate(BOXES) == before
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=30 * SECONDS)
    expect(turn.locator(".by")).to_contain_text("Final answer by Quick (demo, no AI), from 3 answers")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    until(page, lambda: page.evaluate(TEXTS)[:3] == stored(product, str(turn.get_attribute("data-run"))))
    expect(page.locator("[data-announcer]")).to_contain_text("The final answer is complete.")
    shown = page.evaluate(TEXTS)
    page.reload()
    assert page.evaluate(TEXTS) == shown


def test_a_reload_and_a_second_tab_in_mid_run_show_every_character(page: Page, product: Product) -> None:
    turn = ask(page, "Tell me everything about canons.", "demo:slow", "demo:slow", "demo:late")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 80)
    second = page.context.new_page()
    second.goto(page.url)
    page.reload()
    for each in (page, second):
        expect(each.locator("[data-run]")).to_have_attribute("data-run-status", "completed", timeout=40 * SECONDS)
        until(each, lambda each=each: each.evaluate(TEXTS)[:3] == stored(product, str(turn.get_attribute("data-run"))))
    assert page.evaluate(TEXTS) == second.evaluate(TEXTS)


def test_a_run_that_began_elsewhere_appears_by_itself(page: Page, ada: Person) -> None:
    turn = ask(page, "First", "demo:quick")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    ada.ask("Second", "demo:quick", "demo:quick", thread=page.url.rstrip("/").split("/")[-1])
    expect(page.locator("[data-run]")).to_have_count(2)
    second = page.locator("[data-run]").nth(1)
    expect(second.locator(".card")).to_have_count(2)
    expect(second).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)


def test_the_server_may_go_and_come_back_in_mid_run(page: Page, product: Product) -> None:
    turn = ask(page, "Tell me everything about canons, once more.", "demo:late", "demo:late")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 40)
    product.processes["web"].kill()
    product.processes["web"].wait()
    expect(page.get_by_text("Connection lost. Reconnecting…")).to_be_visible(timeout=8 * SECONDS)
    product.start_program("web")
    expect(page.get_by_text("Connection lost. Reconnecting…")).to_be_hidden(timeout=30 * SECONDS)
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=40 * SECONDS)
    until(page, lambda: page.evaluate(TEXTS)[:2] == stored(product, str(turn.get_attribute("data-run"))))
    expect(turn.locator(".by")).to_contain_text("from 2 answers")


def test_a_run_is_stopped_from_the_composer(page: Page) -> None:
    turn = ask(page, "Talk for long.", "demo:late", "demo:late")
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > 20)
    expect(page.locator("[data-send]")).to_be_hidden()
    page.click("[data-stop]")
    expect(turn).to_have_attribute("data-run-status", "cancelled", timeout=5 * SECONDS)
    expect(turn.get_by_text("What had come by then is kept")).to_be_visible()
    assert len(page.evaluate(TEXTS)[0]) > 20
    expect(page.locator("[data-send]")).to_be_visible()
    turn.get_by_role("button", name="Try again").click()
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=40 * SECONDS)
    expect(turn.locator(".by")).to_contain_text("from 2 answers")
    expect(turn.locator(".card").first).to_contain_text("restarted (attempt 2)")


def card_of(turn: Locator, label: str) -> Locator:
    """The card of a model; the picker orders the secondaries as it lists them."""
    return turn.locator(".card", has=turn.page.locator(f'[data-label]:text-is("{label}")'))


def ended_without(page: Page, stopped: str, *models: str) -> Locator:
    """A run of which one model was stopped by itself; the others went on to the final answer."""
    turn = ask(page, "Talk.", *models)
    card = card_of(turn, stopped)
    until(page, lambda: len(card.locator("[data-text]").inner_text()) > 20)
    card.get_by_role("button", name="Stop").click()
    expect(card).to_have_attribute("data-state", "cancelled", timeout=5 * SECONDS)
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    return turn


@pytest.mark.parametrize("context", WIDTHS[::2], indirect=True)
def test_one_model_is_stopped_and_asked_anew_after_the_end(page: Page, product: Product) -> None:
    turn = ended_without(page, "ok-60x50ms", "wire:ok-20x10ms", "wire:ok", "wire:ok-60x50ms")
    verdict = turn.locator("[data-part=verdict]")
    expect(verdict).to_contain_text("from 2 of 3 answers")
    expect(verdict).to_contain_text("Without ok-60x50ms: It was stopped.")
    card = card_of(turn, "ok-60x50ms")
    expect(page.locator("[data-send]")).to_be_visible()
    texts, boxes, final = page.evaluate(TEXTS), page.evaluate(BOXES), turn.locator("[data-final]")
    card.get_by_role("button", name="Retry").click()
    expect(card).to_have_attribute("data-state", "streaming", timeout=5 * SECONDS)
    expect(verdict).to_contain_text("Without ok-60x50ms: It was still writing.")
    until(page, lambda: len(card.locator("[data-text]").inner_text()) > 20)
    expect(page.locator("[data-send]")).to_be_visible()
    page.reload()
    expect(card).to_have_attribute("data-state", "late", timeout=10 * SECONDS)
    expect(card.get_by_text("It came after the final answer had begun.")).to_be_visible()
    expect(verdict).to_contain_text("Without ok-60x50ms: Its answer came after the final answer had begun.")
    expect(turn.locator("[data-part=progress]")).to_contain_text("3 of 3 done")
    expect(page.locator("[data-announcer]")).to_contain_text("ok-60x50ms: Late")
    expect(final).to_have_attribute("data-state", "completed")
    after = page.evaluate(TEXTS)
    assert [after[0], after[1], after[3]] == [texts[0], texts[1], texts[3]]
    assert after[2] == stored(product, str(turn.get_attribute("data-run")))[2]
    assert page.evaluate(BOXES) == boxes


def test_the_final_answer_is_written_now_and_the_slow_one_lands_late(page: Page, product: Product) -> None:
    turn = ask(page, "Talk.", "wire:ok-20x10ms", "wire:ok", "wire:ok-60x50ms").first
    now = turn.get_by_role("button", name="Write the final answer now")
    expect(now).to_be_visible()
    expect(turn.locator("[data-begin] .soft")).to_contain_text("ok-60x50ms")
    until(page, lambda: turn.locator("[data-unwaited]:visible").count() == 1)
    now.focus()
    page.keyboard.press("Enter")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=5 * SECONDS)
    straggler = card_of(turn, "ok-60x50ms")
    expect(straggler).to_have_attribute("data-state", "streaming")
    expect(turn.locator(".by")).to_contain_text("from 2 of 3 answers")
    expect(turn.locator("[data-part=progress]")).to_contain_text("1 still writing")
    before = len(page.evaluate(TEXTS)[2])
    until(page, lambda: len(page.evaluate(TEXTS)[2]) > before)
    page.fill("#prompt", "The next one")
    page.click("[data-send]")
    expect(page.locator("[data-run]")).to_have_count(2)
    expect(straggler).to_have_attribute("data-state", "late", timeout=10 * SECONDS)
    assert page.evaluate(TEXTS)[2] == stored(product, str(turn.get_attribute("data-run")))[2]


def test_the_picker_says_how_long_the_slow_ones_are_waited_for(page: Page) -> None:
    page.goto("/")
    choose(page, "wire:ok-20x10ms", "wire:ok", "wire:ok-300x50ms")
    page.click("[data-open-picker]")
    page.get_by_label("Seconds to wait for all").fill("soon")
    page.get_by_label("Answers that are needed at least").fill("2")
    page.keyboard.press("Enter")
    page.fill("#prompt", "Do not wait for long")
    page.click("[data-send]")
    expect(page.get_by_role("alert")).to_contain_text("“soon” is not a whole number.")
    assert page.input_value("#prompt") == "Do not wait for long"
    page.click("[data-open-picker]")
    page.get_by_label("Seconds to wait for all").fill("2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-open-picker]")).to_contain_text("waits at most 2 s")
    page.click("[data-send]")
    turn = page.locator("[data-run]")
    expect(turn.locator("[data-until]")).to_contain_text(
        re.compile(r"at most 0:0\d more for the others\.(.*) At least 2 answers are needed\.")
    )
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=5 * SECONDS)
    expect(turn.locator(".by")).to_contain_text("from 2 of 3 answers")
    expect(page.locator("[data-open-picker]")).to_contain_text("waits at most 2 s")
    turn.get_by_role("button", name="Show the answers").click()
    turn.locator(".card").last.get_by_role("button", name="Stop").click()
    expect(turn.locator("[data-part=verdict]")).to_contain_text("It was stopped.", timeout=5 * SECONDS)


def test_a_fallback_master_is_named_and_so_is_the_one_that_could_not(page: Page) -> None:
    turn = ask(page, "Talk.", "wire:only-drafts", "wire:ok")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    expect(turn.locator(".by")).to_contain_text("Final answer by Quick (demo, no AI), from 2 answers")
    expect(turn.locator("[data-part=verdict]")).to_contain_text("Instead of only-drafts, who could not: wire did not")
    expect(turn.locator(".final .text")).to_contain_text("This final answer belongs to the scripted demo")


def test_a_card_says_for_which_provider_it_waits(page: Page) -> None:
    turn = ask(page, "Talk.", "narrow:ok-20x50ms", "narrow:ok-20x50ms")
    waiting = turn.locator('.card [data-when="waiting"] .word:visible')
    expect(waiting).to_have_text("Waiting for narrow")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    expect(waiting).to_have_count(0)


def test_a_failed_model_of_a_failed_run_brings_it_on_by_itself(page: Page) -> None:
    turn = ask(page, "Talk.", "wire:fail-3-then-ok", "wire:status-401")
    expect(turn.get_by_role("heading", name="No final answer")).to_be_visible(timeout=20 * SECONDS)
    card = turn.locator(".card").first
    card.get_by_role("button", name="Retry").click()
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    expect(turn.locator(".by")).to_contain_text("Single answer of fail-3-then-ok")
    expect(card).to_have_attribute("data-state", "completed")
    expect(card.get_by_role("button", name="Retry")).to_be_hidden()


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True)
def test_without_the_script_everything_can_be_done_all_the_same(page: Page, ada: Person) -> None:
    run = ada.ask("Talk.", "wire:ok", "wire:ok-300x50ms", "wire:ok-300x50ms@b")
    last = page.locator(".card").last

    def press(button: Locator, *statuses: str) -> None:
        button.click()
        wait_for(lambda: ada.run(run["id"])["generations"][2]["status"] in statuses, 10, what=str(statuses))
        page.reload()

    page.goto(f"/threads/{run['thread']}/")
    press(last.get_by_role("button", name="Stop"), "cancelled")
    press(page.get_by_role("button", name="Write the final answer now"), "cancelled")
    expect(page.get_by_text("Single answer of ok")).to_be_visible()
    press(last.get_by_role("button", name="Retry"), "queued", "streaming")
    expect(page.locator("[data-part=progress]")).to_contain_text("2 still writing")
    for card in page.locator(".card").all()[1:]:
        card.get_by_role("button", name="Stop").click()


def test_an_older_turn_is_not_offered_again_and_has_a_page_of_its_own(page: Page, ada: Person) -> None:
    first = ask(page, "Who is there?", "wire:status-401")
    expect(first.get_by_role("button", name="Try again")).to_be_visible(timeout=20 * SECONDS)
    thread = page.url.rstrip("/").split("/")[-1]
    second = ada.ask("And now?", "demo:quick", thread=thread)
    expect(page.locator("[data-run]")).to_have_count(2)
    expect(first.get_by_role("button", name="Try again")).to_be_hidden()
    expect(page.locator("[data-run]").nth(1)).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    page.goto(f"/threads/{thread}/?before={second['id']}")
    expect(page.locator("[data-prompt]")).to_have_text("Who is there?")
    page.get_by_role("link", name="Go to the newest turns").click()
    expect(page.locator("[data-run]")).to_have_count(2)


def test_a_turn_that_does_not_come_at_first_is_asked_for_again(page: Page, ada: Person) -> None:
    turn = ask(page, "First", "demo:quick")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    page.reload()
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) < 3:
            route.fulfill(status=500)
        else:
            route.continue_()

    page.route("**/turn/", refuse)
    second = ada.ask("Second", "demo:quick", thread=page.url.rstrip("/").split("/")[-1])
    expect(page.locator("[data-run]")).to_have_count(2, timeout=10 * SECONDS)
    assert {url.split("/")[-3] for url in asked} == {second["id"]}
    assert all(second["id"] in frame for frame in sent)


def test_a_model_that_fails_says_why_on_its_card_and_in_the_heading(page: Page) -> None:
    turn = ask(page, "Who is there?", "demo:quick", "demo:quick", "wire:status-401")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    turn.get_by_role("button", name="Show the answers").click()
    card = turn.locator('.card[data-status="failed"]')
    reason = card.locator(".reason").inner_text()
    assert "key" in reason
    expect(card.locator('.state [data-when="failed"]')).to_be_visible()
    expect(turn.locator("[data-part=verdict]")).to_contain_text(reason)
    expect(turn.locator("[data-part=progress]")).to_contain_text("2 of 3 done")


def test_a_run_without_any_answer_shows_a_banner(page: Page) -> None:
    turn = ask(page, "Who is there?", "wire:status-401", "wire:status-401")
    expect(turn.get_by_role("heading", name="No final answer")).to_be_visible(timeout=20 * SECONDS)
    expect(turn.locator(".final-foot")).to_be_hidden()


def test_what_is_refused_keeps_its_text_and_says_why(page: Page) -> None:
    page.goto("/")
    page.fill("#prompt", "x" * 100_001)
    page.click("[data-send]")
    expect(page.get_by_role("alert")).to_contain_text("the limit is 100000")
    assert len(page.input_value("#prompt")) == 100_001
    page.fill("#prompt", "shorter")
    expect(page.locator("[data-sentence]")).to_be_hidden()
    assert page.url.endswith("/")


def test_enter_sends_once_and_shift_enter_does_not(page: Page, product: Product) -> None:
    page.goto("/")
    choose(page, "demo:quick")
    before = product.rows("SELECT count(*) FROM runs_multimodelrun")[0][0]
    page.focus("#prompt")
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("[data-prompt]")).to_have_text("one\ntwo")
    assert product.rows("SELECT count(*) FROM runs_multimodelrun")[0][0] == before + 1


def test_the_picker_counts_and_keeps_to_the_limit(page: Page) -> None:
    page.goto("/")
    choose(page, "demo:quick", "demo:slow")
    expect(page.locator("[data-open-picker]")).to_contain_text("Quick (demo, no AI)")
    page.click("[data-open-picker]")
    more = page.locator('[data-option="demo:slow"] [data-more]')
    for _more in range(6):
        more.click()
    expect(more).to_be_disabled()
    expect(page.locator("#picker [data-count]")).to_have_text("8")
    expect(page.locator("#picker [data-full]")).to_be_visible()
    expect(page.locator('[data-option="demo:late"] [type=checkbox]')).to_be_disabled()
    page.fill("#picker-search", "no such thing")
    expect(page.locator("[data-nothing]")).to_be_visible()
    page.fill("#picker-search", "quick")
    expect(page.locator("[data-option]:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#picker")).to_be_hidden()
    assert page.url.endswith("/")
    expect(page.locator("[data-secondaries]")).to_have_text("7")


def test_hostile_texts_run_nothing(page: Page, ada: Person) -> None:
    turn = ask(page, f"Say {HOSTILE}", "wire:echo", "wire:echo")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    expect(turn.locator(".final .text")).to_contain_text("<script>window.hit=1</script>")
    expect(turn.locator(".by")).to_contain_text("<img src=x")
    thread = page.url.rstrip("/").split("/")[-1]
    ada.api.patch(f"/api/threads/{thread}/", json={"title": HOSTILE}).raise_for_status()
    expect(page.locator("h1")).to_have_text(HOSTILE)
    assert page.evaluate("window.hit") is None
    page.reload()
    expect(page.locator("h1")).to_have_text(HOSTILE)
    assert page.evaluate("window.hit") is None
    assert page.locator("main img, main script").count() == 0


def test_a_thread_deleted_elsewhere_says_so(page: Page, ada: Person) -> None:
    ask(page, "Short lived", "demo:quick")
    ada.api.delete(f"/api/threads/{page.url.rstrip('/').split('/')[-1]}/").raise_for_status()
    expect(page.get_by_text("This thread was deleted.")).to_be_visible()


def test_who_is_signed_out_meanwhile_is_told_and_loses_no_text(
    page: Page, context: BrowserContext, product: Product, ada: Person
) -> None:
    turn = ask(page, "Still here?", "demo:quick")
    expect(turn).to_have_attribute("data-run-status", "completed", timeout=20 * SECONDS)
    context.clear_cookies(name=product.cookie("sessionid"))
    page.fill("#prompt", "A long thought")
    page.click("[data-send]")
    expect(page.get_by_role("alert")).to_contain_text("You are signed out.")
    assert page.input_value("#prompt") == "A long thought"
    product.processes["web"].kill()
    product.processes["web"].wait()
    product.start_program("web")
    expect(page.get_by_role("link", name="Sign in again")).to_be_visible(timeout=30 * SECONDS)
    again = {"sessionid": ada.session, "csrftoken": "a" * 32}  # a sign-in gives a new token, too
    context.add_cookies(
        [{"name": product.cookie(name), "value": value, "url": product.url} for name, value in again.items()]
    )
    page.click("[data-send]")
    expect(page.locator("[data-run]")).to_have_count(2)


@pytest.mark.parametrize("context", WIDTHS[2:], indirect=True)
def test_on_a_phone_the_list_is_a_drawer_and_the_chips_turn_the_cards(page: Page) -> None:
    turn = ask(page, "Many voices", "demo:quick", "demo:quick", "demo:slow")
    expect(page.locator("#sidebar")).to_be_hidden()
    page.locator(".topbar [popovertarget]").click()
    expect(page.locator("#sidebar")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#sidebar")).to_be_hidden()
    last = turn.locator(".card").nth(2)
    expect(last).not_to_be_in_viewport()
    turn.locator(".chip").nth(2).click()
    expect(last).to_be_in_viewport(ratio=0.5)
    expect(turn.locator(".chip").nth(2)).to_have_attribute("data-shown", "")


def test_a_card_follows_its_end_until_its_reader_scrolls_up(page: Page) -> None:
    turn = ask(page, "Talk for long, please.", "demo:slow", "demo:quick")
    box = turn.locator("[data-scroller]").first
    until(page, lambda: box.evaluate("(box) => box.scrollTop") > 60)
    box.evaluate("(box) => box.scrollTo(0, 0)")
    expect(turn.locator("[data-to-end]").first).to_be_visible()
    before = len(page.evaluate(TEXTS)[0])
    until(page, lambda: len(page.evaluate(TEXTS)[0]) > before + 30)
    assert box.evaluate("(box) => box.scrollTop") == 0
    turn.locator("[data-to-end]").first.click()
    assert box.evaluate("(box) => box.scrollHeight - box.scrollTop - box.clientHeight") < 8


def test_the_static_names_are_hashed_also_inside_of_modules(page: Page) -> None:
    seen: list[str] = []
    page.on("response", lambda response: seen.append(response.url))
    page.goto("/")
    modules = [url for url in seen if url.endswith(".js")]
    assert len(modules) >= 7
    assert all(re.search(r"\.[0-9a-f]{12}\.js$", url) for url in modules)
