"""The short names of growing texts (runs/static/runs/streams.js)."""

from typing import Any

import pytest
from playwright.sync_api import Page

START = """
const { Streams, UNKNOWN_EVERY } = await import("/runs/streams.js");
let clock = 0, asked = 0;
const streams = new Streams(() => { asked += 1; }, () => clock);
const view = (stream, id, attempt) => ({ stream, run: "r", id, attempt });
"""


@pytest.fixture
def run(modules: Page) -> Any:
    return lambda script: modules.evaluate("async () => {" + START + script + "}")


def test_a_piece_is_of_the_text_whose_beginning_was_told(run: Any) -> None:
    assert run("""
        streams.begin({ type: "generation.started", run: "r", generation: "g", attempt: 2, stream: "s2" });
        return streams.delta(["s2", 7, "word"]);
    """) == {"run": "r", "generation": "g", "attempt": 2, "offset": 7, "text": "word"}


def test_the_views_of_a_run_name_its_texts_and_those_of_its_versions(run: Any) -> None:
    assert run("""
        streams.run({ generations: [view("a1", "a", 1), view("b1", "b", 1)], versions: [view("v1", "v", 1)] });
        streams.generation(view("a2", "a", 2));
        return ["a1", "a2", "b1", "v1"].map((name) => [streams.delta([name, 0, "x"]).generation,
          streams.delta([name, 0, "x"]).attempt]);
    """) == [["a", 1], ["a", 2], ["b", 1], ["v", 1]]


def test_an_unknown_name_is_asked_about_once_in_a_while(run: Any) -> None:
    assert run("""
        const given = [streams.delta(["x1", 0, "a"]), streams.delta(["x1", 1, "b"])];
        const first = asked;
        clock += UNKNOWN_EVERY;
        streams.delta(["x1", 2, "c"]);
        return [given, first, asked];
    """) == [[None, None], 1, 2]
