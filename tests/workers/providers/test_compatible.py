import pytest

from tests.wire import WireServer, answer_text
from tests.workers.providers.conftest import NAME, Asking, said
from workers.providers import open_provider
from workers.providers.base import ErrorCode, Finish, FinishReason, Reach

KIND = "compatible"


async def test_it_asks_in_the_words_that_every_server_knows(asking: Asking) -> None:
    await asking.text("ok")
    body = asking.wire.requests("ok")[0].body
    assert body["max_tokens"] == 64
    assert "max_completion_tokens" not in body
    assert body["stream_options"] == {"include_usage": True}


async def test_it_works_without_a_key(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-vendor")
    provider = open_provider(Reach(NAME, KIND, wire.openai_url))
    assert await Asking(provider, wire, KIND).text("ok") == answer_text("ok")
    await provider.aclose()
    assert "Authorization" not in wire.requests("ok")[0].headers
    assert "sk-of-another-vendor" not in str(wire.asked)


async def test_a_field_that_the_server_refuses_is_left_out_from_then_on(asking: Asking) -> None:
    for _ in range(2):
        events = await asking.events("no-stream-options")
        assert said(events) == answer_text("no-stream-options")
        assert events[-1] == Finish(FinishReason.STOP)
    sent = ["stream_options" in asked.body for asked in asking.wire.requests("no-stream-options")]
    assert sent == [True, False, False]


async def test_a_server_that_wants_the_new_word_gets_it(asking: Asking) -> None:
    for _ in range(2):
        assert await asking.text("wants-completion-tokens") == answer_text("wants-completion-tokens")
    limits = [asked.body.get("max_completion_tokens") for asked in asking.wire.requests("wants-completion-tokens")]
    assert limits == [None, 64, 64]


async def test_what_one_model_refuses_is_still_sent_to_others(asking: Asking) -> None:
    await asking.text("no-stream-options")
    await asking.text("ok")
    assert "stream_options" in asking.wire.requests("ok")[0].body


@pytest.mark.parametrize("model", ["status-400", "status-422", "too-long"])
async def test_other_refusals_are_not_asked_again(asking: Asking, model: str) -> None:
    failure = await asking.failure(model)
    assert failure.code in {ErrorCode.REJECTED, ErrorCode.TOO_LONG}
    assert len(asking.wire.requests(model)) == 1
