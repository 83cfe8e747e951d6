from tests.wire import WireServer
from tests.workers.providers.conftest import KEY, NAME, Asking
from workers.providers import open_provider
from workers.providers.base import ErrorCode, Reach, Text, Turn, Usage
from workers.providers.openai import ChatDecoder
from workers.providers.sse import ServerEvent

KIND = "openai"


def decoded(*chunks: str) -> list[object]:
    decoder = ChatDecoder(NAME)
    return [event for chunk in chunks for event in decoder.decode(ServerEvent("", chunk))]


async def test_it_asks_in_the_words_of_new_models(asking: Asking) -> None:
    await asking.text(
        "ok", Turn("system", "Be kind."), Turn("user", "Hi"), Turn("assistant", "Yes?"), Turn("user", "So")
    )
    (asked,) = asking.wire.requests("ok")
    assert asked.key == KEY
    assert asked.body == {
        "model": "ok",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 64,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "So"},
        ],
    }


async def test_without_a_key_nothing_is_asked(wire: WireServer) -> None:
    provider = open_provider(Reach(NAME, KIND, wire.openai_url))
    failure = await Asking(provider, wire, KIND).failure("ok")
    assert failure.code == ErrorCode.AUTH
    assert NAME in failure.message
    assert not wire.asked
    await provider.aclose()


def test_its_own_address_is_the_default() -> None:
    provider = open_provider(Reach(NAME, KIND, "", KEY))
    assert str(provider._client.base_url) == "https://api.openai.com/v1/"  # type: ignore[attr-defined]


def test_a_second_choice_is_passed_over() -> None:
    assert decoded(
        '{"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "yes"}}]}'
    ) == [Text("yes")]


def test_text_and_finish_may_come_in_one_chunk() -> None:
    decoder = ChatDecoder(NAME)
    chunk = '{"choices": [{"delta": {"content": "all"}, "finish_reason": "stop"}]}'
    assert list(decoder.decode(ServerEvent("", chunk))) == [Text("all")]
    assert decoder.answer.stopped


def test_odd_values_are_passed_over() -> None:
    assert (
        decoded(
            '{"choices": null}',
            '{"choices": {"a": 1}}',
            '{"choices": [null, 7, {"delta": [1]}, {"delta": {"content": 7}}, {"finish_reason": 3}]}',
        )
        == []
    )


def test_counts_that_are_none_are_unknown() -> None:
    usage = '{"usage": {"prompt_tokens": -1, "completion_tokens": "7", "prompt_tokens_details": null}}'
    assert decoded(usage) == [Usage()]


def test_both_names_for_thoughts_are_known() -> None:
    chunks = [f'{{"choices": [{{"delta": {{"{name}": "hm"}}}}]}}' for name in ("reasoning", "reasoning_content")]
    assert [event.text for event in decoded(*chunks)] == ["hm", "hm"]  # type: ignore[attr-defined]
