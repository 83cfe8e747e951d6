"""How a turn gets the server's words (runs/static/runs/turn.js, fetching.js), with a server and waits of our own."""

from typing import Any

import pytest
from playwright.sync_api import Page

START = """
const { Turn } = await import("/runs/turn.js");
const { bringTurn, fetchTurn } = await import("/runs/fetching.js");
const element = (face) => {
  const turn = document.createElement("section");
  Object.assign(turn.dataset, { run: "r", runStatus: "answering", face, created: "2026-01-01T00:00:00Z" });
  turn.innerHTML = `<div data-part="progress">${face}</div><article data-final data-status="" data-attempt="0">
    <div data-part="verdict">${face}</div><div data-text></div></article>`;
  return turn;
};
let server = "answering//", asked = 0, pauses = [], fetches = [];
const page = {
  say: {}, announce() {}, changed() {}, now: () => 0,
  ask: () => (asked += 1),
  pause: (tries) => new Promise((go) => { pauses.push(tries); setTimeout(go, 1); }),
  fetchTurn: () => new Promise((answer) => fetches.push(answer)),
};
const shown = element("answering//");
document.body.append(shown);
const turn = new Turn(shown, page);
const say = (status, outcome = "", stopping = false) =>
  turn.run({ status, outcome, cancel_requested: stopping, generations: [] });
const moment = () => new Promise((go) => setTimeout(go, 10));
const answer = async (face) => {
  fetches.shift()(face === 404 ? { element: null, gone: true } : { element: face ? element(face) : null, gone: false });
  await moment();
};
const words = () => [...shown.querySelectorAll("[data-part]")].map((part) => part.textContent);
"""


@pytest.fixture
def run(modules: Page) -> Any:
    return lambda script: modules.evaluate("async () => {" + START + script + "}")


def test_the_words_follow_the_state(run: Any) -> None:
    assert run("""say("completed", "full"); await answer("completed/full/");
        return [words(), fetches.length, pauses, asked]""") == [["completed/full/"] * 2, 0, [], 0]


def test_a_state_that_is_shown_already_asks_for_nothing(run: Any) -> None:
    assert run("""say("answering"); say("answering"); return fetches.length""") == 0


def test_a_change_while_words_are_on_their_way_is_fetched_after_them(run: Any) -> None:
    assert run("""
        say("synthesizing", "full");
        say("completed", "full");
        const together = fetches.length;
        await answer("synthesizing/full/");
        const between = words()[0];
        await answer("completed/full/");
        return [together, between, words(), fetches.length, pauses];
    """) == [1, "synthesizing/full/", ["completed/full/"] * 2, 0, []]


def test_words_that_did_not_come_are_asked_for_after_longer_and_longer_waits(run: Any) -> None:
    assert run("""
        say("answering", "", true);
        for (let failures = 0; failures < 4; failures += 1) await answer(null);
        const meanwhile = words()[0];
        await answer("answering//stopping");
        return [meanwhile, words(), fetches.length, pauses];
    """) == ["answering//", ["answering//stopping"] * 2, 0, [0, 1, 2, 3]]


def test_a_server_that_is_further_is_asked_for_the_state(run: Any) -> None:
    assert run("""
        page.ask = () => { asked += 1; say("completed", "full"); };
        say("synthesizing", "full");
        await answer("completed/full/");
        return [asked, words(), fetches.length];
    """) == [1, ["completed/full/"] * 2, 0]


def test_the_words_of_a_run_that_is_no_more_are_let_go(run: Any) -> None:
    assert run("""say("failed", "none"); await answer(404); return [words()[0], fetches.length, pauses]""") == [
        "answering//",
        0,
        [],
    ]


def test_a_final_answer_that_was_left_out_is_asked_for_once(run: Any) -> None:
    assert run("""
        const view = { status: "completed", outcome: "single", cancel_requested: false, generations: [], final: "m" };
        turn.run(view);
        turn.run(view, "Because.");
        turn.run(view);
        await new Promise(requestAnimationFrame);
        return [asked, shown.querySelector("[data-text]").textContent];
    """) == [1, "Because."]


BRING = """
let tries = 0;
const parts = {
  pause: async (tries) => { pauses.push(tries); },
  fetchTurn: async () => { tries += 1; return answers.shift() ?? { element: null, gone: false }; },
};
const found = await bringTurn("r", parts);
return [found, tries, pauses];
"""


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ('[{ element: "turn", gone: false }]', ["turn", 1, []]),
        ('[undefined, undefined, { element: "turn", gone: false }]', ["turn", 3, [0, 1]]),
        ("[{ element: null, gone: true }]", [None, 1, []]),
        ("[]", [None, 6, [0, 1, 2, 3, 4]]),
    ],
)
def test_a_new_turn_is_tried_for_and_given_up(run: Any, answers: str, outcome: list[Any]) -> None:
    assert run(f"const answers = {answers};" + BRING) == outcome


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, '<section data-run="r"></section>', ["r", False]),
        (200, "Sign in", [None, False]),
        (404, "", [None, True]),
        (500, "", [None, False]),
    ],
)
def test_what_the_server_answers_is_told_apart(
    run: Any, modules: Page, status: int, body: str, outcome: list[Any]
) -> None:
    modules.route("**/runs/r/turn/", lambda route: route.fulfill(status=status, body=body, content_type="text/html"))
    assert run("const got = await fetchTurn('r'); return [got.element?.dataset.run ?? null, got.gone]") == outcome


def test_a_pause_grows_up_to_a_limit(run: Any) -> None:
    assert run("""
        const waits = [];
        window.setTimeout = (act, ms) => { waits.push(ms); act(); };
        const { pause } = await import("/runs/fetching.js");
        for (const tries of [0, 1, 2, 3, 4, 5, 50]) await pause(tries);
        return waits;
    """) == [500, 1000, 2000, 4000, 8000, 8000, 8000]
