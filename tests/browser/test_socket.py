"""How the socket comes back and what it asks (runs/static/runs/socket.js), with a clock and a network of our own."""

from typing import Any

import pytest
from playwright.sync_api import Page

START = """
const { ThreadSocket } = await import("/runs/socket.js");
let clock = 0, timers = [], live = ["run-1"];
const made = [], states = [], frames = [];
const parts = {
  now: () => clock,
  random: () => 1,
  after: (ms, act) => { const timer = { at: clock + ms, act }; timers.push(timer); return timer; },
  forget: (timer) => { timers = timers.filter((each) => each !== timer); },
  make: (url) => {
    const socket = { url, readyState: 1, sent: [] };
    socket.close = () => { socket.closed = true; };
    socket.send = (text) => socket.sent.push(JSON.parse(text));
    made.push(socket);
    return socket;
  },
};
const hooks = { frame: (frame) => frames.push(frame), state: (word) => states.push(word), live: () => live };
const socket = new ThreadSocket("ws://here/", hooks, parts);
const pass = (ms) => {
  const end = clock + ms;
  for (;;) {
    const next = timers.filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0];
    if (!next) break;
    timers = timers.filter((each) => each !== next);
    clock = Math.max(clock, next.at);
    next.act();
  }
  clock = end;
};
const last = () => made.at(-1);
const take = (frame) => last().onmessage({ data: JSON.stringify(frame) });
const drop = (code) => { last().readyState = 3; last().onclose({ code }); };
socket.connect();
"""


@pytest.fixture
def run(modules: Page) -> Any:
    return lambda script: modules.evaluate("async () => {" + START + script + "}")


def test_a_snapshot_opens_it_and_frames_go_on(run: Any) -> None:
    assert run("""take({ type: "snapshot" }); take({ type: "x" }); return [states, frames.length, made.length]""") == [
        ["open"],
        2,
        1,
    ]


def test_questions_come_at_most_once_in_half_a_second_each(run: Any) -> None:
    assert run("""
        for (let i = 0; i < 10; i += 1) { socket.ask("a"); socket.ask("b"); pass(40); }
        const early = last().sent.length;
        pass(500);
        return [early, last().sent];
    """) == [2, [{"type": "snapshot", "run": run_id} for run_id in ("a", "b", "a", "b")]]


def test_a_question_about_everything_names_no_run(run: Any) -> None:
    assert run("socket.ask(); return last().sent") == [{"type": "snapshot"}]


@pytest.mark.parametrize("code", [1006, 1012, 1011, 1001])
def test_it_comes_back_after_longer_and_longer_waits(run: Any, code: int) -> None:
    waits = run(f"""
        const waits = [];
        for (let i = 0; i < 9; i += 1) {{
          drop({code});
          const began = clock;
          const count = made.length;
          while (made.length === count) pass(10);
          waits.push(clock - began);
        }}
        return waits;
    """)
    assert waits == [250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]


def test_the_waits_have_jitter(run: Any) -> None:
    assert run("""parts.random = () => 0; socket.random = () => 0; drop(1006); pass(130); return made.length""") == 2


def test_after_a_snapshot_the_waits_begin_anew(run: Any) -> None:
    assert run("""drop(1006); pass(250); drop(1006); pass(500); take({ type: "snapshot" }); drop(1006); pass(250);
        return made.length""") == (4)


def test_a_short_cut_is_not_worth_a_word_and_a_long_one_is(run: Any) -> None:
    assert run("""drop(1006); pass(300); take({ type: "snapshot" }); pass(5000); return states""") == ["open"]
    assert run("""drop(1006); pass(300); drop(1006); pass(1600); const before = [...states]; pass(200);
        return [before, states]""") == [[], ["lost"]]


@pytest.mark.parametrize(("code", "word"), [(4401, "signed-out"), (4404, "gone")])
def test_it_does_not_come_back_where_it_is_not_wanted(run: Any, code: int, word: str) -> None:
    assert run(f"""drop({code}); pass(60000); socket.hurry(); return [states, made.length]""") == [[word], 1]


def test_it_hurries_when_the_network_is_back(run: Any) -> None:
    assert run("""drop(1006); pass(250); drop(1006); socket.hurry(); return made.length""") == 3


def test_silence_while_a_run_is_active_is_asked_about_once(run: Any) -> None:
    assert run("""take({ type: "snapshot" }); for (let i = 0; i < 9; i += 1) { pass(1000); socket.watch(); }
        return last().sent""") == [{"type": "snapshot", "run": "run-1"}]


def test_silence_is_asked_about_for_every_run_of_which_something_is_to_come(run: Any) -> None:
    assert run("""live = ["a", "b"]; take({ type: "snapshot" }); pass(5000); socket.watch(); socket.watch();
        return last().sent.map((each) => each.run)""") == ["a", "b"]


def test_a_socket_that_stays_silent_is_replaced(run: Any) -> None:
    assert run("""take({ type: "snapshot" }); for (let i = 0; i < 11; i += 1) { pass(1000); socket.watch(); }
        return [made[0].closed, made.length]""") == [True, 2]


def test_silence_without_a_run_is_peace(run: Any) -> None:
    assert run("""live = []; pass(60000); socket.watch(); return [last().sent, made.length]""") == [[], 1]


def test_the_last_words_of_an_abandoned_socket_are_not_heard(run: Any) -> None:
    assert run("""drop(1006); pass(250); made[0].onmessage({ data: '{"type":"x"}' }); made[0].onclose({ code: 1006 });
        return [frames.length, made.length]""") == [0, 2]


def test_news_that_come_late_are_worth_a_word_when_it_lasts(run: Any) -> None:
    assert run("""take({ type: "snapshot" }); take({ type: "thread.live", live: false }); pass(1900);
        const before = [...states]; pass(200); take({ type: "snapshot" }); pass(3000);
        const during = [...states]; take({ type: "thread.live", live: true });
        return [before, during, states]""") == [["open"], ["open", "late"], ["open", "late", "open"]]


def test_a_moment_without_news_is_not_worth_a_word(run: Any) -> None:
    assert run("""take({ type: "snapshot" }); take({ type: "thread.live", live: false }); pass(300);
        take({ type: "snapshot" }); take({ type: "thread.live", live: true }); pass(9000);
        return states""") == ["open", "open"]


def test_a_connection_that_is_lost_is_more_than_late(run: Any) -> None:
    assert run("""take({ type: "snapshot" }); take({ type: "thread.live", live: false }); pass(2500);
        for (let i = 0; i < 4; i += 1) { drop(1006); pass(2100); } return states""") == ["open", "late", "lost"]


def test_a_new_connection_counts_as_live_until_it_says_otherwise(run: Any) -> None:
    assert run("""take({ type: "thread.live", live: false }); drop(1006); pass(250); take({ type: "snapshot" });
        pass(9000); return states""") == ["open"]


def test_without_live_news_it_asks_in_silence_and_keeps_the_connection(run: Any) -> None:
    assert run("""
        let asked = 0;
        take({ type: "snapshot" });
        take({ type: "thread.live", live: false });
        for (let i = 0; i < 40; i += 1) {
          pass(1000);
          socket.watch();
          if (last().sent.length === asked) continue;
          asked += 1;
          take({ type: "snapshot" });
        }
        return [asked, made.length];
    """) == [8, 1]
