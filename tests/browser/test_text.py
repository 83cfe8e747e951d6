"""The rules by which a page keeps a text right (runs/static/runs/text.js)."""

from typing import Any

import pytest
from playwright.sync_api import Page

START = """
const { LiveText } = await import("/runs/text.js");
const sink = { text: "", appended: 0, resets: 0,
  append(piece) { this.text += piece; this.appended += piece.length; },
  reset(text) { this.text = text; this.resets += 1; },
  read() { return this.text; } };
const live = new LiveText(sink);
const delta = (attempt, offset, text) => live.delta({ attempt, offset, text });
"""


@pytest.fixture
def run(modules: Page) -> Any:
    return lambda script: modules.evaluate("async () => {" + START + script + "}")


def test_deltas_in_order_make_the_text(run: Any) -> None:
    assert run("""const asks = [delta(1, 0, "one "), delta(1, 4, "two")]; return [sink.text, asks]""") == [
        "one two",
        [False, False],
    ]


def test_what_overlaps_is_dropped(run: Any) -> None:
    assert run("""delta(1, 0, "one "); delta(1, 0, "one two"); delta(1, 2, "e t"); return sink.text""") == "one two"


def test_an_older_attempt_is_dropped_and_a_newer_one_starts_empty(run: Any) -> None:
    assert run("""delta(2, 0, "second"); delta(1, 0, "first try"); return sink.text""") == "second"
    assert run("""delta(1, 0, "first"); delta(2, 0, "again"); return [sink.text, live.attempt]""") == ["again", 2]


def test_what_is_ahead_is_held_until_a_snapshot_fills_the_gap(run: Any) -> None:
    assert run("""
        delta(1, 0, "one ");
        const asks = [delta(1, 8, "three "), delta(1, 14, "four")];
        const before = sink.text;
        const again = live.snapshot(1, "one two ", false);
        return [before, asks, again, sink.text];
    """) == ["one ", [True, True], False, "one two three four"]


def test_a_snapshot_that_does_not_reach_what_is_held_asks_again(run: Any) -> None:
    assert run("""delta(1, 8, "three"); const ask = live.snapshot(1, "one ", false); return [ask, sink.text]""") == [
        True,
        "one ",
    ]
    assert run("""delta(1, 8, "three"); live.snapshot(1, "", false); live.snapshot(1, "one two ", false);
        return sink.text""") == ("one two three")


def test_a_newer_attempt_that_begins_ahead_empties_the_text_and_asks(run: Any) -> None:
    assert run("""delta(1, 0, "first"); const ask = delta(2, 3, "x"); return [sink.text, ask]""") == ["", True]


def test_after_the_end_late_deltas_are_dropped(run: Any) -> None:
    assert run("""live.snapshot(1, "whole", true); const ask = [delta(1, 5, "more"), delta(1, 50, "far")];
        return [sink.text, ask]""") == ["whole", [False, False]]


def test_after_the_end_a_newer_attempt_begins_anew(run: Any) -> None:
    assert run("""live.snapshot(1, "failed", true); live.begin(2); delta(2, 0, "again"); return sink.text""") == "again"


def test_the_end_replaces_whatever_is_there(run: Any) -> None:
    assert run("""delta(1, 0, "wrong, longer"); live.snapshot(1, "right", true); return sink.text""") == "right"


def test_an_older_checkpoint_takes_nothing_away(run: Any) -> None:
    assert (
        run("""delta(1, 0, "one two"); live.snapshot(1, "one", false); delta(1, 7, "!"); return sink.text""")
        == "one two!"
    )


def test_what_stands_is_not_written_again(run: Any) -> None:
    assert run("""delta(1, 0, "same"); live.snapshot(1, "same", true); return [sink.text, sink.resets]""") == [
        "same",
        1,
    ]


def test_a_snapshot_of_an_older_attempt_is_dropped(run: Any) -> None:
    assert run("""delta(2, 0, "new"); live.snapshot(1, "old", true); return [sink.text, live.attempt]""") == ["new", 2]


def test_offsets_count_utf16(run: Any) -> None:
    assert run("""delta(1, 0, "a😀"); delta(1, 3, "b"); return [sink.text, live.length]""") == ["a😀b", 4]


def test_a_delta_costs_its_own_length(run: Any) -> None:
    assert run("""for (let at = 0; at < 5000; at += 5) { delta(1, at, "12345"); delta(1, at, "12345"); }
        return [sink.appended, sink.resets, sink.text.length]""") == [5000, 1, 5000]


def test_frames_lost_doubled_and_late_end_in_the_right_text(run: Any) -> None:
    wrong = run("""
        let seed = 7;
        const random = (below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
        const wrong = [];
        for (let round = 0; round < 300; round += 1) {
          sink.text = "";
          const live = new LiveText(sink);
          let frames = [], texts = {};
          for (let attempt = 1; attempt <= 1 + random(3); attempt += 1) {
            const text = Array.from({ length: 5 + random(60) }, () => "aé😀\\n"[random(4)] ?? "x").join("");
            texts[attempt] = text;
            for (let at = 0; at < text.length; ) {
              const end = Math.min(text.length, at + 1 + random(9));
              frames.push({ attempt, offset: at, text: text.slice(at, end) });
              at = end;
            }
          }
          const last = Math.max(...Object.keys(texts).map(Number));
          for (const [index, frame] of frames.entries()) {
            const fate = random(10);
            if (fate < 2) continue; // lost
            let ask = live.delta(frame);
            if (fate < 4) ask = live.delta(frame) || ask; // doubled
            if (fate < 5 && index) ask = live.delta(frames[random(index)]) || ask; // an older one again
            const soFar = texts[frame.attempt].slice(0, frame.offset + frame.text.length);
            if (ask && random(2)) live.snapshot(frame.attempt, soFar, false);
          }
          live.snapshot(last, texts[last], true);
          live.delta(frames[random(frames.length)]);
          if (sink.text !== texts[last]) wrong.push(round);
        }
        return wrong;
    """)
    assert wrong == []


def test_a_long_painted_text_is_cut_into_blocks_and_stays_the_same_text(modules: Page) -> None:
    found = modules.evaluate("""async () => {
        const { PaintedText } = await import("/runs/painting.js");
        const element = document.body.appendChild(document.createElement("div"));
        element.textContent = "from the server ";
        const painted = new PaintedText(element, null);
        let whole = "from the server ";
        for (let i = 0; i < 3000; i += 1) {
          const piece = i % 7 ? `word ${i} ` : `line ${i}\\n\\n`;
          painted.append(piece);
          whole += piece;
          if (i % 50 === 0) await new Promise(requestAnimationFrame);
        }
        const inTime = painted.read() === whole;
        await new Promise(requestAnimationFrame);
        const grown = element.textContent === whole;
        painted.reset(whole);
        await new Promise(requestAnimationFrame);
        return [inTime, grown, element.textContent === whole, element.children.length > 4];
    }""")
    assert found == [True, True, True, True]
