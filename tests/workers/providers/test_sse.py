import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.providers import sse
from workers.providers.sse import EventDecoder, MalformedStreamError, ServerEvent


def decoded(*chunks: bytes) -> list[ServerEvent]:
    decoder = EventDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return [*events, *decoder.end()]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_it_reads_every_line_end(end: bytes) -> None:
    raw = b"event: a\ndata: 1\n\ndata: 2\n\n".replace(b"\n", end)
    assert decoded(raw) == [ServerEvent("a", "1"), ServerEvent("", "2")]


@given(st.data())
def test_it_does_not_matter_where_the_chunks_are_cut(data: st.DataObject) -> None:
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    raw = "\ufeff: hi\nevent: a\ndata: 👩‍👧 ü\ndata: two\n\ndata:3\n\n".encode().replace(b"\n", end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    chunks = [raw[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert decoded(*chunks) == [ServerEvent("a", "👩‍👧 ü\ntwo"), ServerEvent("", "3")]


def test_a_space_after_the_colon_may_be_missing_and_only_one_is_dropped() -> None:
    assert [event.data for event in decoded(b"data:a\n\ndata: b\n\ndata:  c\n\n")] == ["a", "b", " c"]


def test_a_field_without_a_colon_is_empty() -> None:
    assert decoded(b"data\n\n") == [ServerEvent("", "")]


def test_comments_and_unknown_fields_are_no_events() -> None:
    assert decoded(b": keep-alive\n\nid: 7\nretry: 10\n\nevent: alone\n\n") == []


def test_a_name_does_not_outlive_its_event() -> None:
    assert decoded(b"event: ping\n\ndata: 1\n\n") == [ServerEvent("", "1")]


def test_the_last_empty_line_may_be_missing() -> None:
    assert decoded(b"data: 1\n\ndata: [DONE]") == [ServerEvent("", "1"), ServerEvent("", "[DONE]")]
    assert decoded(b"data: 1\n") == [ServerEvent("", "1")]


def test_separators_that_only_text_knows_do_not_end_a_line() -> None:
    assert decoded("data: a\u2028b\x0bc\x85d\n\n".encode())[0].data == "a\u2028b\x0bc\x85d"


def test_what_is_not_utf8_is_malformed() -> None:
    with pytest.raises(MalformedStreamError):
        decoded(b"data: \xff\xfe\n\n")


@pytest.mark.parametrize("raw", [b"data: " + b"x" * 200, b"data: 123456789\n" * 20, b"x" * 200])
def test_an_event_without_an_end_is_malformed(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    with pytest.raises(MalformedStreamError):
        decoded(*(raw[start : start + 7] for start in range(0, len(raw), 7)))


def test_a_long_event_in_many_chunks_is_read_in_linear_time() -> None:
    decoder = EventDecoder()
    for _ in range(400):
        assert list(decoder.feed(b"x" * 16_384)) == []
