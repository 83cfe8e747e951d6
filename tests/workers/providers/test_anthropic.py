from typing import Any

import pytest

from tests.wire import WireServer, answer_text
from tests.workers.providers.conftest import KEY, NAME, Asking
from workers.providers import open_provider
from workers.providers.anthropic import MessageDecoder
from workers.providers.base import ErrorCode, Reach, Text, Turn, Usage
from workers.providers.sse import ServerEvent

KIND = "anthropic"


def decoded(*events: str) -> list[Any]:
    decoder = MessageDecoder(NAME)
    return [event for data in events for event in decoder.decode(ServerEvent("", data))]


async def test_it_asks_with_the_system_prompt_apart_and_no_temperature(asking: Asking) -> None:
    await asking.text("ok", Turn("system", "Be kind."), Turn("user", "Hi"), Turn("system", "And brief."))
    (asked,) = asking.wire.requests("ok")
    assert asked.key == KEY
    assert asked.body == {
        "model": "ok",
        "max_tokens": 64,
        "stream": True,
        "system": "Be kind.\n\nAnd brief.",
        "messages": [{"role": "user", "content": "Hi"}],
    }


async def test_without_a_system_turn_none_is_sent(asking: Asking) -> None:
    await asking.text("ok")
    assert "system" not in asking.wire.requests("ok")[0].body


@pytest.mark.parametrize("end", ["/v1", "/v1/", "/"])
async def test_an_address_may_end_as_those_of_other_vendors_do(wire: WireServer, end: str) -> None:
    provider = open_provider(Reach(NAME, KIND, wire.anthropic_url + end, KEY))
    assert await Asking(provider, wire, KIND).text("ok") == answer_text("ok")
    await provider.aclose()


async def test_without_a_key_nothing_is_asked(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "env-canary")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "env-canary")
    provider = open_provider(Reach(NAME, KIND, wire.anthropic_url))
    failure = await Asking(provider, wire, KIND).failure("ok")
    assert failure.code == ErrorCode.AUTH
    assert not wire.asked
    await provider.aclose()


def test_text_may_stand_in_the_start_of_a_block() -> None:
    start = '{"type": "content_block_start", "content_block": {"type": "text", "text": "Once"}}'
    assert decoded(start) == [Text("Once")]


def test_counts_are_kept_when_a_later_event_leaves_them_out() -> None:
    events = decoded(
        '{"type": "message_start", "message": {"usage": {"input_tokens": 5, "cache_creation_input_tokens": 2}}}',
        '{"type": "message_delta", "delta": {}, "usage": {"output_tokens": 9, "input_tokens": null}}',
    )
    assert events[-1] == Usage(tokens_in=7, tokens_out=9)


def test_unknown_events_and_blocks_are_passed_over() -> None:
    assert (
        decoded(
            '{"type": "from_the_future"}',
            '{"no": "type"}',
            '{"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}}',
            '{"type": "content_block_delta", "delta": {"type": "text_delta", "text": 7}}',
            '{"type": "message_start", "message": null}',
        )
        == []
    )
