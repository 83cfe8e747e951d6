"""The clocks of a stream, against a provider that is scripted to the millisecond."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from runs.actions import NO_THOUGHTS
from tests.wire import WireServer, answer_text
from workers import reading
from workers.providers.base import (
    ErrorCode,
    Finish,
    FinishReason,
    ProviderError,
    Reach,
    Reasoning,
    Request,
    StreamEvent,
    Text,
    Turn,
    Usage,
)
from workers.pushing import GrowingText

Step = StreamEvent | float
STOP = Finish(FinishReason.STOP)


class Scripted:
    """Yields its steps; a number is a pause in seconds."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.closed = False

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        try:
            for step in self.steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.closed = True


@pytest.fixture
def read(monkeypatch, settings):
    settings.FIRST_TOKEN_TIMEOUT = 0.2
    settings.IDLE_TIMEOUT = 0.1
    settings.OUTPUT_MAX_CHARS = 50

    async def run(*steps: Step, total: float = 5.0):
        provider = Scripted(*steps)
        monkeypatch.setattr(reading, "open_provider", lambda reach: provider)
        request = Request(model="x", turns=(Turn("user", "?"),), max_output_tokens=10)
        text = GrowingText(uuid4(), uuid4(), uuid4(), 1)
        current = reading.Reading(Reach(f"Vendor {id(provider)}", "scripted"), request, text, total)
        try:
            return current, provider, await current.run()
        except ProviderError as error:
            return current, provider, error

    return run


async def test_a_whole_answer_ends_with_its_reason_text_and_usage(read):
    current, provider, reason = await read(Text("a"), Text("😀b"), Usage(3, 4), STOP)
    assert reason is FinishReason.STOP
    assert current.text.so_far() == "a😀b"
    assert current.usage == Usage(3, 4)
    assert current.first_text_after is not None
    assert provider.closed


async def test_silence_before_the_first_text_is_too_slow(read):
    _, provider, error = await read(0.5, Text("late"), STOP)
    assert error.code is ErrorCode.TIMEOUT
    assert "said nothing" in error.message
    assert provider.closed


async def test_silence_in_the_middle_is_too_slow_and_what_came_is_kept(read):
    current, _, error = await read(Text("begun"), 0.5, STOP)
    assert error.code is ErrorCode.TIMEOUT
    assert "fell silent" in error.message
    assert current.text.so_far() == "begun"


async def test_a_steady_stream_may_take_longer_than_either_silence(read):
    _, _, reason = await read(*([Text("."), 0.05] * 8), STOP)
    assert reason is FinishReason.STOP


async def test_reasoning_counts_as_a_sign_of_life(read):
    _, _, reason = await read(*([Reasoning("hm"), 0.07] * 4), Text("so"), STOP)
    assert reason is FinishReason.STOP


async def test_thoughts_are_kept_apart_from_the_answer_and_timed(read):
    current, _, _ = await read(0.02, Reasoning("Hm, "), 0.06, Reasoning("so 😀"), 0.06, Text("Yes."), 0.06, STOP)
    assert current.text.so_far() == "Yes."
    thoughts = current.thoughts
    assert (thoughts.text, thoughts.shortened) == ("Hm, so 😀", False)
    assert thoughts.seconds == pytest.approx(0.12, abs=0.05)


async def test_without_thoughts_there_is_no_time_of_them(read):
    current, _, _ = await read(Text("Yes."), STOP)
    assert current.thoughts == NO_THOUGHTS


async def test_thoughts_that_led_to_no_answer_are_timed_to_the_end(read):
    current, _, error = await read(Reasoning("Hm"), 0.06, STOP)
    assert error.code is ErrorCode.PROTOCOL
    assert current.thoughts.text == "Hm"
    assert current.thoughts.seconds == pytest.approx(0.06, abs=0.04)


@pytest.mark.parametrize("kind", ["openai", "compatible", "anthropic"])
async def test_what_a_vendor_thinks_aloud_is_read_on_each_wire(kind):
    async with WireServer() as wire:
        url = wire.anthropic_url if kind == "anthropic" else wire.openai_url
        request = Request(model="reasoning", turns=(Turn("user", "?"),), max_output_tokens=10)
        text = GrowingText(uuid4(), uuid4(), uuid4(), 1)
        current = reading.Reading(Reach(f"{kind} that thinks", kind, url, "sk-test"), request, text, 5.0)
        await current.run()
        for key in [key for key in reading._providers if key[1] == current.reach]:
            await reading._providers.pop(key).aclose()
    assert current.thoughts.text == "First, a thought 😀."
    assert current.text.so_far() == answer_text("reasoning")


async def test_usage_alone_is_no_sign_of_life(read):
    _, _, error = await read(Text("a"), *([0.06, Usage(1, 1)] * 4), STOP)
    assert error.code is ErrorCode.TIMEOUT


async def test_the_whole_answer_has_a_limit_too(read):
    _, _, error = await read(*([Text("."), 0.05] * 20), STOP, total=0.3)
    assert error.code is ErrorCode.TOO_SLOW
    assert "took longer" in error.message


async def test_an_answer_that_grows_too_long_is_cut(read):
    current, provider, reason = await read(*([Text("x" * 20)] * 5), STOP)
    assert reason is FinishReason.LENGTH
    assert len(current.text.so_far()) == 60
    assert provider.closed


async def test_an_end_without_text_is_no_answer(read):
    _, _, error = await read(STOP)
    assert error.code is ErrorCode.PROTOCOL


async def test_a_refusal_may_be_without_text(read):
    _, _, reason = await read(Finish(FinishReason.REFUSAL))
    assert reason is FinishReason.REFUSAL


async def test_a_stream_that_just_ends_is_no_answer(read):
    _, _, error = await read(Text("and then"))
    assert error.code is ErrorCode.PROTOCOL
