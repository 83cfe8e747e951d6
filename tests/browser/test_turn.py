"""How a turn gets the server's words (runs/static/runs/turn.js, fetching.js), with a server and waits of our own."""

import itertools
import json
from typing import Any, cast
from uuid import UUID

import pytest
from playwright.sync_api import Page

from runs.events import RunView
from runs.turns import Turn
from threads.branches import Versions

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
let server = "answering////0", asked = 0, pauses = [], fetches = [];
const page = {
  say: {}, announce() {}, changed() {}, now: () => 0,
  ask: () => (asked += 1),
  pause: (tries) => new Promise((go) => { pauses.push(tries); setTimeout(go, 1); }),
  fetchTurn: () => new Promise((answer) => fetches.push(answer)),
};
const shown = element("answering////0");
document.body.append(shown);
const turn = new Turn(shown, page);
const say = (status, outcome = "", stopping = false) =>
  turn.run({ status, outcome, cancel_requested: stopping, synthesis_requested: false, gave_up: [], generations: [] });
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
    assert run("""say("completed", "full"); await answer("completed/full///0");
        return [words(), fetches.length, pauses, asked]""") == [["completed/full///0"] * 2, 0, [], 0]


def test_a_state_that_is_shown_already_asks_for_nothing(run: Any) -> None:
    assert run("""say("answering"); say("answering"); return fetches.length""") == 0


def test_a_change_while_words_are_on_their_way_is_fetched_after_them(run: Any) -> None:
    assert run("""
        say("synthesizing", "full");
        say("completed", "full");
        const together = fetches.length;
        await answer("synthesizing/full///0");
        const between = words()[0];
        await answer("completed/full///0");
        return [together, between, words(), fetches.length, pauses];
    """) == [1, "synthesizing/full///0", ["completed/full///0"] * 2, 0, []]


def test_words_that_did_not_come_are_asked_for_after_longer_and_longer_waits(run: Any) -> None:
    assert run("""
        say("answering", "", true);
        for (let failures = 0; failures < 4; failures += 1) await answer(null);
        const meanwhile = words()[0];
        await answer("answering//stopping//0");
        return [meanwhile, words(), fetches.length, pauses];
    """) == ["answering////0", ["answering//stopping//0"] * 2, 0, [0, 1, 2, 3]]


def test_a_server_that_is_further_is_asked_for_the_state(run: Any) -> None:
    assert run("""
        page.ask = () => { asked += 1; say("completed", "full"); };
        say("synthesizing", "full");
        await answer("completed/full///0");
        return [asked, words(), fetches.length];
    """) == [1, ["completed/full///0"] * 2, 0]


def test_the_words_of_a_run_that_is_no_more_are_let_go(run: Any) -> None:
    assert run("""say("failed", "none"); await answer(404); return [words()[0], fetches.length, pauses]""") == [
        "answering////0",
        0,
        [],
    ]


def test_a_final_answer_that_was_left_out_is_asked_for_once(run: Any) -> None:
    assert run("""
        const view = { status: "completed", outcome: "single", gave_up: [], generations: [], final: "m" };
        turn.run(view);
        turn.run(view, "Because.");
        turn.run(view);
        await new Promise(requestAnimationFrame);
        return [asked, shown.querySelector("[data-text]").textContent];
    """) == [1, "Because."]


def views() -> list[RunView]:
    """Runs of two models in whatever state each of them can be."""
    generations: list[Any] = [
        {"kind": "candidate", "status": status, "error": error, "late": late}
        for status, error, late in [
            ("queued", None, False),
            ("queued", {"code": "timeout", "message": "It was silent."}, False),
            ("streaming", None, False),
            ("completed", None, False),
            ("completed", None, True),
            ("failed", {"code": "auth", "message": "The key was refused."}, False),
            ("cancelled", None, False),
        ]
    ]
    synthesis = {"kind": "synthesis", "status": "streaming", "error": None, "late": False}
    states = [("queued", ""), ("answering", ""), ("synthesizing", "full"), ("completed", "single"), ("failed", "none")]
    return [
        cast(
            RunView,
            {
                "status": status,
                "outcome": outcome,
                "cancel_requested": stopping,
                "synthesis_requested": asked,
                "gave_up": [{}] * gave_up,
                "versions": [{"version": 1, "status": "completed"}, {"version": 3, "status": one["status"]}][:gave_up],
                "chosen": "d" if asked and gave_up else None,
                "generations": [one, other, synthesis],
            },
        )
        for (status, outcome), stopping, asked, gave_up in itertools.product(
            states, (False, True), (False, True), (0, 2)
        )
        for one, other in itertools.product(generations, repeat=2)
    ]


ALONE = Versions((UUID(int=1),), 1)


def test_the_page_computes_the_same_face_as_the_server(run: Any) -> None:
    told = views()
    faces = [Turn(run=view, prompt="", answer="", newest=True, versions=ALONE, after="").face for view in told]
    assert len(set(faces)) > 500
    assert any(face.endswith("/v1-completed/v3-failed/d") for face in faces)
    script = f'const {{ faceOf }} = await import("/runs/turn.js"); return {json.dumps(told)}.map(faceOf)'
    assert run(script) == faces


GENERATIONS = """
const card = document.createElement("article");
card.className = "card";
Object.assign(card.dataset, { generation: "g", status: "streaming", state: "streaming", attempt: 1 });
card.innerHTML = `<span class="state"><span data-when="late"><span class="word">Late</span></span></span>
  <span data-label>Slow</span><div data-text></div>`;
shown.prepend(card);
const other = new Turn(shown, page);
const view = (more) => ({ id: "g", kind: "candidate", position: 0, version: 1, attempt: 1, status: "streaming",
  text: null, error: null, late: false, waiting_for: null, cancel_requested: false, finish_reason: "", seconds: null,
  tokens_out: null, started_at: null, ...more });
const tell = (status, outcome, generations, gave_up = []) =>
  other.run({ status, outcome, cancel_requested: false, synthesis_requested: false, gave_up, generations });
const final = () => shown.querySelector("[data-final] [data-text]").textContent;
const frame = () => new Promise(requestAnimationFrame);
const writer = (id, position, more) => view({ id, kind: "synthesis", position, ...more });
"""


def test_the_words_follow_a_draft_that_lands_after_the_end(run: Any) -> None:
    assert run(
        GENERATIONS
        + """
        tell("completed", "degraded", [view()]);
        await answer("completed/degraded///0/active--");
        const between = [other.live, other.active, fetches.length];
        page.announce = (sentence) => pauses.push(sentence);
        other.generation(view({ status: "completed", text: "At last.", late: true }));
        await answer("completed/degraded///0/completed--late");
        return [between, other.live, card.dataset.state, words()[0], fetches.length, pauses];
    """
    ) == [[True, False, 0], False, "late", "completed/degraded///0/completed--late", 0, ["Slow: Late"]]


def test_words_about_one_model_need_no_other_wording_while_all_answer(run: Any) -> None:
    assert run(
        GENERATIONS
        + """
        tell("answering", "", [view()]);
        other.generation(view({ status: "failed", text: "", error: { code: "auth", message: "No." } }));
        return [fetches.length, card.hasAttribute("data-askable")];
    """
    ) == [0, True]


def test_a_fallback_begins_from_an_empty_text_and_is_not_mixed_with_who_gave_up(run: Any) -> None:
    assert run(
        GENERATIONS
        + """
        const speak = (id, offset, text) => other.delta({ generation: id, attempt: 1, offset, text });
        tell("synthesizing", "full", [view({ status: "completed", text: "x" }), writer("s0", 0)]);
        speak("s0", 0, "Half of an ans");
        await frame();
        const half = final();
        const next = writer("s1", 1, { attempt: 0, status: "queued" });
        tell("synthesizing", "full", [view({ status: "completed" }), next], [{}]);
        await frame();
        const empty = final();
        other.generation(writer("s0", 0, { status: "failed", text: "Half of an ans" }));
        speak("s0", 14, "wer");
        speak("s1", 0, "Whole.");
        await frame();
        return [half, empty, final(), shown.querySelector("[data-final]").dataset.generation];
    """
    ) == ["Half of an ans", "", "Whole.", "s1"]


def test_a_run_that_begins_again_shows_nothing_of_the_old_final_answer(run: Any) -> None:
    assert run(
        GENERATIONS
        + """
        const broken = writer("s0", 0, { status: "failed", text: "Half" });
        tell("failed", "full", [view({ status: "completed", text: "x" }), broken]);
        await frame();
        const before = final();
        tell("answering", "", [view({ status: "completed" })]);
        await frame();
        return [before, final(), shown.querySelector("[data-final]").dataset.status];
    """
    ) == ["Half", "", ""]


VERSIONS = """
const complete = (more, answer) => other.run({ status: "completed", outcome: "full", cancel_requested: false,
  synthesis_requested: false, gave_up: [], final: "m", versions: [], chosen: null, ...more }, answer);
const old = writer("s1", 0, { current: true, status: "completed", text: null });
const next = writer("s2", 0, { version: 2, current: false });
const drafts = [view({ status: "completed", text: "Draft." })];
"""


def test_a_further_version_grows_in_the_place_of_the_old_one_which_comes_back_when_it_fails(run: Any) -> None:
    assert run(
        GENERATIONS
        + VERSIONS
        + """
        complete({ generations: [...drafts, old] }, "Old.");
        complete({ generations: [...drafts, old], versions: [next] });
        other.delta({ generation: "s2", attempt: 1, offset: 0, text: "Ne" });
        await frame();
        const growing = final();
        const before = asked;
        const given = { ...next, status: "failed", text: "Ne", error: { code: "auth", message: "No." } };
        other.generation(given);
        const question = asked - before;
        complete({ generations: [...drafts, old], versions: [given] }, "Old.");
        await frame();
        return [growing, question, final(), shown.querySelector("[data-final]").dataset.status];
    """
    ) == ["Ne", 1, "Old.", "completed"]


def test_a_chosen_draft_stands_in_the_place_of_the_final_answer_and_of_a_version(run: Any) -> None:
    assert run(
        GENERATIONS
        + VERSIONS
        + """
        complete({ generations: [...drafts, { ...old, status: "completed" }] }, "Old.");
        complete({ generations: [...drafts, old], chosen: "g", outcome: "chosen" }, "Draft.");
        await frame();
        const chosen = final();
        complete({ generations: [...drafts, old] }, "Old.");
        await frame();
        return [chosen, final(), shown.querySelector("[data-final]").dataset.generation];
    """
    ) == ["Draft.", "Old.", "s1"]


def test_a_version_that_grows_is_seen_although_the_old_one_ended_with_a_folded_section(run: Any) -> None:
    assert run(
        GENERATIONS
        + VERSIONS
        + """
        complete({ generations: [...drafts, old] }, "Old.");
        await frame();
        other.final.painted.format({ start: 0, end: 4, html: "<h6>What was left out</h6>" });
        await frame();
        const text = shown.querySelector("[data-final] [data-text]");
        const folded = text.hasAttribute("data-tail-folded");
        complete({ generations: [...drafts, old], versions: [next] });
        other.delta({ generation: "s2", attempt: 1, offset: 0, text: "Ne" });
        await frame();
        return [folded, text.hasAttribute("data-tail-folded"), final()];
    """
    ) == [True, False, "Ne"]


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
