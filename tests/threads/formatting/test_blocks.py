"""Where a text is cut, however it arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads.formatting import Splitter, split

PIECES = st.sampled_from(
    ["\n", "\n\n", "```", "~~~\n", "$$", "$$\n", "\\[", "\\]\n", "- ", "1. ", "2) ", "  ", "    ", "\t", "# ", "> ",
     "| a | b |\n", "|---|---|\n", "word", "*", "**", "`", "<b>", "---\n", "😀", "é", "\r\n", "\r", "[x]: http://a\n"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join)


def cut(text):
    blocks, rest = split(text, whole=False)
    return [block.text for block in blocks], rest


@given(TEXTS, st.data())
def test_however_a_text_is_cut_its_blocks_are_the_same(text, data):
    splitter, blocks, fed = Splitter(), [], ""
    while fed != text:
        piece = text[len(fed) : len(fed) + data.draw(st.integers(1, 9))]
        fed += piece
        blocks += splitter.feed(piece)
        assert fed.startswith("".join(block.text for block in blocks))
    blocks += splitter.finish()
    assert blocks == split(text, whole=True)[0]
    assert "".join(block.text for block in blocks) == text


@given(TEXTS, TEXTS)
def test_what_was_finished_stays_whatever_comes(text, more):
    before, rest = split(text, whole=False)
    assert "".join(block.text for block in before) + rest == text
    assert split(text + more, whole=False)[0][: len(before)] == before


@given(TEXTS)
def test_offsets_count_utf16_units_without_gaps(text):
    blocks, _ = split(text, whole=True)
    at = 0
    for block in blocks:
        assert block.start == at
        at += len(block.text.encode("utf-16-le")) // 2
        assert block.end == at


@pytest.mark.parametrize(
    ("text", "blocks", "rest"),
    [
        ("one\ntwo\n\nthree", ["one\ntwo\n\n"], "three"),
        ("# Title\nText", ["# Title\n"], "Text"),
        ("```py\na\n\nb\n", [], "```py\na\n\nb\n"),
        ("```py\na\n\nb\n```\n\nc", ["```py\na\n\nb\n```\n\n"], "c"),
        ("````\n```\n````\nx", ["````\n```\n````\n"], "x"),
        ("Text\n```\ncode", ["Text\n"], "```\ncode"),
        ("- a\n  - b\n\n  c\n- d", ["- a\n  - b\n\n  c\n"][:0], "- a\n  - b\n\n  c\n- d"),
        ("- a\n  - b\n\n  c\n- d\n", ["- a\n  - b\n\n  c\n"], "- d\n"),
        ("| a |\n|---|\n| b |\n", [], "| a |\n|---|\n| b |\n"),
        ("so\n$$\na\n- b\n$$\nx", ["so\n", "$$\na\n- b\n$$\n"], "x"),
        ("\\[\na\n", [], "\\[\na\n"),
        ("It was in\n1999. Then\n", [], "It was in\n1999. Then\n"),
        ("> ```\n> x\n\ny", ["> ```\n> x\n\n"], "y"),
    ],
)
def test_a_construct_that_is_open_stays_open(text, blocks, rest):
    assert cut(text) == (blocks, rest)


def test_items_are_numbered_as_their_list_counts():
    blocks, _ = split("3. a\n3. b\n3. c\n\nText\n\n1. d\n", whole=True)
    assert [block.ordinal for block in blocks] == [3, 4, 5, None, 1]


def test_a_piece_costs_its_own_length():
    splitter = Splitter()
    seen = 0
    for _ in range(20000):
        seen += len(splitter.feed("word "))
    assert seen == 0
    assert len(splitter.finish()) == 1
