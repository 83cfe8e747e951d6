"""What holds for every provider behind an SDK, on its own wire."""

import asyncio
import ssl
import time
import traceback
from contextlib import aclosing

import pytest

from tests.wire import BODY_CANARY, WireServer, answer_text, paced_text
from tests.workers.providers.conftest import KEY, NAME, Asking, request, said, thought
from workers.providers import open_provider, transport
from workers.providers.base import (
    ErrorCode,
    Finish,
    FinishReason,
    ProviderError,
    Reach,
    Text,
    Turn,
    Usage,
)

pytestmark = pytest.mark.parametrize("asking", ["openai", "compatible", "anthropic"], indirect=True)


async def test_it_gives_text_then_usage_then_one_finish(asking: Asking) -> None:
    events = await asking.events("ok")
    assert said(events) == answer_text("ok")
    usages = [event for event in events if isinstance(event, Usage)]
    assert usages[-1] == Usage(tokens_in=11, tokens_out=7, tokens_cached=3, tokens_reasoning=2)
    assert [event for event in events if isinstance(event, Finish)] == [Finish(FinishReason.STOP)]
    assert events[-1] == Finish(FinishReason.STOP)


@pytest.mark.parametrize(
    "model",
    ["gzip", "split-utf8", "crlf", "cr", "pings", "empty-choices", "usage-missing", "finish-twice", "after-finish"],
)
async def test_it_reads_the_whole_text_whatever_the_wire_does(asking: Asking, model: str) -> None:
    events = await asking.events(model)
    assert said(events) == answer_text(model)
    assert events[-1] == Finish(FinishReason.STOP)


@pytest.mark.parametrize("model", ["reset-after-finish", "held-open"])
async def test_an_answer_is_whole_when_its_finish_has_come(asking: Asking, model: str) -> None:
    async with asyncio.timeout(1):
        events = await asking.events(model)
    assert said(events) == answer_text(model)
    assert events[-1] == Finish(FinishReason.STOP)


async def test_usage_that_is_missing_is_not_invented(asking: Asking) -> None:
    assert not [event for event in await asking.events("usage-missing") if isinstance(event, Usage)]


async def test_it_gives_pieces_as_they_come(asking: Asking) -> None:
    stream = asking.provider.stream(request("ok-5x40ms"))
    arrivals = [time.monotonic() async for event in stream if isinstance(event, Text)]
    assert len(arrivals) == 5
    assert arrivals[-1] - arrivals[0] > 0.1


async def test_thoughts_are_kept_apart_from_the_text(asking: Asking) -> None:
    events = await asking.events("reasoning")
    assert thought(events) == "First, a thought 😀."
    assert said(events) == answer_text("reasoning")


@pytest.mark.parametrize(
    ("model", "text", "reason"),
    [
        ("refusal", "I cannot help with that.", FinishReason.REFUSAL),
        ("filtered", "", FinishReason.REFUSAL),
        ("length", answer_text("length"), FinishReason.LENGTH),
        ("tool-calls-text", answer_text("tool-calls-text"), FinishReason.STOP),
        ("stop-empty", "", FinishReason.STOP),
    ],
)
async def test_it_tells_why_the_model_stopped(asking: Asking, model: str, text: str, reason: FinishReason) -> None:
    events = await asking.events(model)
    assert said(events) == text
    assert events[-1] == Finish(reason)


async def test_text_is_clean_and_never_empty(asking: Asking) -> None:
    assert await asking.text("surrogates") == "pair 😀, lone \ufffd and \ufffd and last \ufffd"
    events = await asking.events("nul")
    assert [event for event in events if isinstance(event, Text)] == [Text("ab"), Text("c")]


async def test_turns_are_clean_too(asking: Asking) -> None:
    assert "half \ufffd, nul " in await asking.text("echo", Turn("user", "half \ud83d, nul \0"))


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("status-400", ErrorCode.REJECTED),
        ("status-401", ErrorCode.AUTH),
        ("status-402", ErrorCode.QUOTA),
        ("status-403", ErrorCode.AUTH),
        ("status-404", ErrorCode.NOT_FOUND),
        ("status-408", ErrorCode.UNAVAILABLE),
        ("status-413", ErrorCode.TOO_LONG),
        ("status-422", ErrorCode.REJECTED),
        ("status-429", ErrorCode.RATE_LIMITED),
        ("status-500", ErrorCode.UNAVAILABLE),
        ("status-502", ErrorCode.UNAVAILABLE),
        ("status-503", ErrorCode.UNAVAILABLE),
        ("status-504", ErrorCode.UNAVAILABLE),
        ("status-529", ErrorCode.OVERLOADED),
        ("quota", ErrorCode.QUOTA),
        ("too-long", ErrorCode.TOO_LONG),
        ("redirect", ErrorCode.PROTOCOL),
        ("no-content-204", ErrorCode.PROTOCOL),
        ("empty-200", ErrorCode.PROTOCOL),
        ("html-200", ErrorCode.PROTOCOL),
        ("json-error-200", ErrorCode.UNAVAILABLE),
        ("json-error-200-overloaded", ErrorCode.OVERLOADED),
        ("json-error-200-rate-limit", ErrorCode.RATE_LIMITED),
        ("json-error-200-quota", ErrorCode.QUOTA),
        ("json-error-200-auth", ErrorCode.AUTH),
        ("json-error-200-unheard-of", ErrorCode.UNAVAILABLE),
        ("endless-line", ErrorCode.PROTOCOL),
        ("tool-calls", ErrorCode.PROTOCOL),
        ("reset", ErrorCode.CONNECTION),
    ],
)
async def test_a_failure_is_told_in_a_sentence_without_secrets(asking: Asking, model: str, code: ErrorCode) -> None:
    failure = await asking.failure(model)
    assert failure.code == code
    _is_for_people(failure)
    assert len(asking.wire.requests(model)) == 1, "the SDK does not try again"


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("reset-mid", ErrorCode.CONNECTION),
        ("cut-chunked", ErrorCode.CONNECTION),
        ("cut", ErrorCode.PROTOCOL),
        ("cut-in-json", ErrorCode.PROTOCOL),
        ("bad-sse", ErrorCode.PROTOCOL),
        ("bad-utf8", ErrorCode.PROTOCOL),
        ("error-event", ErrorCode.OVERLOADED),
        ("error-event-rate-limit", ErrorCode.RATE_LIMITED),
        ("error-event-quota", ErrorCode.QUOTA),
        ("error-event-too-long", ErrorCode.TOO_LONG),
        ("error-event-unheard-of", ErrorCode.UNAVAILABLE),
    ],
)
async def test_a_failure_within_the_answer_comes_after_its_text(asking: Asking, model: str, code: ErrorCode) -> None:
    events, failure = await asking.before_failure(model)
    assert said(events) == f"Answer of {model}"
    assert not [event for event in events if isinstance(event, Finish)]
    assert failure.code == code
    _is_for_people(failure)


def _is_for_people(failure: ProviderError) -> None:
    assert NAME in failure.message
    assert failure.message.endswith(".")
    assert str(failure) == failure.message
    assert KEY not in failure.message
    assert BODY_CANARY not in failure.message
    shown = "".join(traceback.format_exception(failure))
    assert KEY not in shown, "in a log neither"
    assert BODY_CANARY not in shown


@pytest.mark.parametrize(
    ("model", "low", "high"),
    [("status-429-retry-7", 7, 7), ("status-503-retry-2.5", 2.5, 2.5), ("status-429-retry-date", 27, 30)],
)
async def test_it_tells_how_long_the_vendor_asks_to_wait(asking: Asking, model: str, low: float, high: float) -> None:
    failure = await asking.failure(model)
    assert failure.retry_after is not None
    assert low <= failure.retry_after <= high


@pytest.mark.parametrize(
    "model", ["status-429", "status-429-retry--1", "status-429-retry-nan", "status-429-retry-soon"]
)
async def test_nonsense_about_waiting_is_ignored(asking: Asking, model: str) -> None:
    failure = await asking.failure(model)
    assert failure.code == ErrorCode.RATE_LIMITED
    assert failure.retry_after is None


@pytest.mark.parametrize("model", ["silent-mid", "ok-200x20ms"])
async def test_closing_the_stream_closes_the_connection(asking: Asking, model: str) -> None:
    async with aclosing(asking.provider.stream(request(model))) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Text):
                break
    await _left(asking, model)


@pytest.mark.parametrize("model", ["silent", "drip", "silent-mid", "slow-headers-20000ms"])
async def test_cancelling_closes_the_connection(asking: Asking, model: str) -> None:
    task = asyncio.create_task(asking.events(model))
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _left(asking, model)


async def _left(asking: Asking, model: str) -> None:
    (asked,) = asking.wire.requests(model)
    await asyncio.wait_for(asked.ended.wait(), 2)
    assert asked.disconnected


async def test_a_connection_is_used_again(asking: Asking) -> None:
    for _ in range(3):
        await asking.text("ok")
    assert len({asked.connection for asked in asking.wire.requests("ok")}) == 1


async def test_more_than_a_hundred_streams_run_at_once(asking: Asking) -> None:
    """Without a number aiohttp stops at 100 connections, in silence."""
    async with asyncio.timeout(10):
        texts = await asyncio.gather(*(asking.text("ok-2x1000ms") for _ in range(120)))
    assert set(texts) == {paced_text("ok-2x1000ms")}
    assert len({asked.connection for asked in asking.wire.requests("ok-2x1000ms")}) == 120


async def test_a_redirect_is_not_followed(asking: Asking) -> None:
    await asking.failure("redirect")
    assert len(asking.wire.asked) == 1


async def test_a_refused_connection_is_told(asking: Asking, unused_tcp_port: int) -> None:
    failure = await _failure_at(asking, f"http://127.0.0.1:{unused_tcp_port}")
    assert failure.code == ErrorCode.CONNECTION
    _is_for_people(failure)


async def test_a_host_that_does_not_exist_is_told(asking: Asking) -> None:
    assert (await _failure_at(asking, "http://nowhere.invalid")).code == ErrorCode.CONNECTION


async def test_a_server_without_tls_is_told(asking: Asking) -> None:
    failure = await _failure_at(asking, asking.wire.url.replace("http", "https"))
    assert failure.code == ErrorCode.CONNECTION
    assert "not secure" in failure.message


async def test_a_server_that_speaks_no_http_is_told(asking: Asking) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example.org ready\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await _failure_at(asking, f"http://127.0.0.1:{port}")).code == ErrorCode.PROTOCOL


async def test_a_connection_that_never_opens_is_told(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_args: object, **_more: object) -> None:
        await asyncio.sleep(10)

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", never)
    failure = await asking.failure("ok", connect_timeout=0.05)
    assert failure.code == ErrorCode.CONNECTION


async def _failure_at(asking: Asking, base_url: str) -> ProviderError:
    provider = open_provider(Reach(NAME, asking.kind, base_url, KEY))
    async with aclosing(provider):
        return await Asking(provider, asking.wire, asking.kind).failure("ok")


@pytest.mark.parametrize("base_url", ["localhost:8000", "ftp://x", "http://", "http://[", "http://x:99999"])
async def test_an_address_that_is_none_is_told_to_whoever_asks(asking: Asking, base_url: str) -> None:
    failure = await _failure_at(asking, base_url)
    assert failure.code == ErrorCode.CONNECTION
    assert "is not one" in failure.message
    _is_for_people(failure)


@pytest.mark.parametrize("key", ["ключ", "two\nlines", "nul\0"])
async def test_a_key_that_no_header_can_hold_is_told(asking: Asking, wire: WireServer, key: str) -> None:
    provider = open_provider(Reach(NAME, asking.kind, wire.url, key))
    async with aclosing(provider):
        failure = await Asking(provider, wire, asking.kind).failure("ok")
    assert failure.code == ErrorCode.AUTH
    assert key not in failure.message


async def test_space_around_a_key_is_dropped(asking: Asking, wire: WireServer) -> None:
    url = wire.anthropic_url if asking.kind == "anthropic" else wire.openai_url
    provider = open_provider(Reach(NAME, asking.kind, url, f" {KEY}\n"))
    async with aclosing(provider):
        await Asking(provider, wire, asking.kind).text("ok")
    assert wire.requests("ok")[0].key == KEY


async def test_nothing_is_taken_from_the_environment(
    asking: Asking, wire: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/env-canary")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "env-canary")
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Env: env-canary\nAuthorization: env-canary")
    url = wire.anthropic_url if asking.kind == "anthropic" else wire.openai_url
    provider = open_provider(Reach(NAME, asking.kind, url, KEY))
    async with aclosing(provider):
        await Asking(provider, wire, asking.kind).text("ok")
    (asked,) = wire.requests("ok")
    assert "env-canary" not in str(asked)
    assert asked.key == KEY


async def test_a_certificate_that_is_not_trusted_is_told(asking: Asking) -> None:
    error = ssl.SSLCertVerificationError("self-signed")
    told = transport.broken(NAME, error, answering=False)
    assert told.code == ErrorCode.CONNECTION
    assert "certificate" in told.message
    assert asking.kind
