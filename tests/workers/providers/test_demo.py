import time

import pytest

from tests.workers.providers.conftest import request, said
from workers.providers import open_provider
from workers.providers.base import Finish, FinishReason, Reach, Reasoning, StreamEvent, Text, Turn, Usage

VOICES = ("andante", "allegro", "presto")
QUESTION = Turn("user", "How does a bicycle stay upright?")
FAST = 1e6


async def play(model: str, *turns: Turn, **fields: float) -> list[StreamEvent]:
    provider = open_provider(Reach("Demo", "demo"))
    fields = {"tokens_per_second": FAST, "max_output_tokens": 8192} | fields
    events = [event async for event in provider.stream(request(model, *turns, **fields))]
    await provider.aclose()
    return events


async def test_it_says_text_then_usage_then_finish() -> None:
    *text, usage, finish = await play("andante", QUESTION)
    assert all(isinstance(event, Text) and event.text for event in text)
    assert isinstance(usage, Usage)
    assert usage.tokens_out == len(text)
    assert usage.tokens_in
    assert finish == Finish(FinishReason.STOP)


async def test_one_voice_thinks_aloud_before_it_speaks() -> None:
    events = await play("allegro", QUESTION)
    kinds = [type(event) for event in events]
    thoughts = [event.text for event in events if isinstance(event, Reasoning)]
    assert kinds.index(Text) == len(thoughts) > 20
    assert "“bicycle”" in "".join(thoughts)
    assert isinstance(events[-2], Usage)
    assert (events[-2].tokens_out, events[-2].tokens_reasoning) == (len(events) - 2, len(thoughts))


@pytest.mark.parametrize("model", [*VOICES, "another-one"])
@pytest.mark.parametrize("turns", [(QUESTION,), (QUESTION, Turn("assistant", "…"), Turn("user", "Why?"))])
async def test_it_says_at_once_that_no_ai_speaks_and_how_to_get_one(model: str, turns: tuple[Turn, ...]) -> None:
    text = said(await play(model, *turns))
    start = text[:140].lower()
    assert "scripted demo" in start
    assert "no ai" in start or "without any ai" in start or "not an ai" in start
    for word in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "COMPATIBLE_PROVIDERS", "make local-model"):
        assert f"`{word}`" in text
    assert 80 <= len(text.split()) <= 200


async def test_it_takes_up_the_words_of_the_question() -> None:
    for model in VOICES:
        text = said(await play(model, QUESTION))
        assert "“bicycle”" in text
        assert "“upright”" in text


async def test_it_always_says_the_same_to_the_same() -> None:
    assert await play("presto", QUESTION) == await play("presto", QUESTION)


async def test_the_voices_differ() -> None:
    texts = [said(await play(model, QUESTION)) for model in VOICES]
    assert len({text[:20] for text in texts}) == len(VOICES)


async def test_it_notices_that_a_thread_goes_on() -> None:
    text = said(await play("presto", QUESTION, Turn("assistant", "…"), QUESTION))
    assert "Prompt number 2" in text


@pytest.mark.parametrize("tag", ["draft-1f2e3d4c", "draft", "candidate_7"])
async def test_given_drafts_it_plays_the_master(tag: str) -> None:
    drafts = "\n".join(f'<{tag} id="{letter}">\nzeppelins\n</{tag}>' for letter in "ABC")
    text = said(await play("andante", Turn("user", f"Why bicycles?\n\n{drafts}\n\nNow write the final answer.")))
    assert "3 drafts" in text
    assert "“bicycles”" in text
    assert "zeppelins" not in text
    assert "scripted demo" in text[:140]
    assert "[A]" in text
    assert "#### Where the drafts disagree\n" in text
    assert "#### What was left out\n" in text
    assert 80 <= len(text.split()) <= 200


@pytest.mark.parametrize("content", ["", "?", "{name} {0} %s", "\0\ud83d", "日本語のテキスト", "a" * 5000])
async def test_any_prompt_will_do(content: str) -> None:
    text = said(await play("allegro", Turn("user", content)))
    text.encode()
    assert "\0" not in text
    assert len(text) < 2000


async def test_nobody_asked_anything() -> None:
    assert "your question" in said(await play("allegro", Turn("system", "Be kind.")))


async def test_it_stops_at_its_limit() -> None:
    *text, usage, finish = await play("andante", QUESTION, max_output_tokens=5)
    assert len(text) == 5
    assert usage == Usage(tokens_in=6, tokens_out=5)
    assert finish == Finish(FinishReason.LENGTH)


async def test_it_keeps_its_pace() -> None:
    begun = time.monotonic()
    await play("andante", QUESTION, max_output_tokens=20, tokens_per_second=100)
    assert 0.19 < time.monotonic() - begun < 0.6
