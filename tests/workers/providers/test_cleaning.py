import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.providers.cleaning import TextCleaner, clean

ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from("\0\ud83d\ude00\udfff")), max_size=12)


def shown(*pieces: str) -> str:
    cleaner = TextCleaner()
    return "".join(map(cleaner.feed, pieces)) + cleaner.end()


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("plain", " 😀 text"), "plain 😀 text"),
        (("\ud83d", "\ude00"), "😀"),
        (("a\ud83d", "", "\0", "\ude00b"), "a😀b"),
        (("a\ud83d", "b"), "a\ufffdb"),
        (("\ude00",), "\ufffd"),
        (("\ud83d\ud83d", "\ude00"), "\ufffd😀"),
        (("end\ud83d",), "end\ufffd"),
        (("a\0b", "\0"), "ab"),
        (("\ud83d\n",), "\ufffd\n"),
    ],
)
def test_it_joins_pairs_and_replaces_what_stays_alone(pieces: tuple[str, ...], text: str) -> None:
    assert shown(*pieces) == text


def test_it_holds_back_the_first_half_of_a_pair() -> None:
    cleaner = TextCleaner()
    assert cleaner.feed("a\ud83d") == "a"
    assert cleaner.feed("\ude00") == "😀"
    assert cleaner.end() == ""


@given(st.lists(ANY_TEXT))
def test_every_piece_can_be_stored_and_the_cuts_do_not_matter(pieces: list[str]) -> None:
    cleaner = TextCleaner()
    out = [*map(cleaner.feed, pieces), cleaner.end()]
    for piece in out:
        assert "\0" not in piece.encode().decode()
    assert "".join(out) == clean("".join(pieces))
