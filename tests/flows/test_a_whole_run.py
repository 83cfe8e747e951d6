"""One prompt to three models, from the request to the final answer, as every kind of client sees it."""

import asyncio
import json
import re

from tests.product import Person, Product
from tests.viewer import OVER, Viewer, watching

MODELS = ("openai:ok-60x20ms", "anthropic:ok-20x10ms", "wire:ok")


def over(viewer: Viewer) -> bool:
    return any(frame["type"] in OVER for _, frame in viewer.frames)


def texts_in_database(product: Product, run_id: str) -> dict[str, str]:
    query = f"SELECT id, text FROM runs_generation WHERE run_id = '{run_id.replace('-', '')}'"
    return {str(key).replace("-", ""): text for key, text in product.rows(query)}


async def test_three_answers_stream_in_parallel_and_the_master_writes_the_final_one(
    product: Product, ada: Person
) -> None:
    thread = ada.api.post("/api/threads/", json={}).json()["id"]
    async with watching(product, ada, thread) as viewer:
        run = await asyncio.to_thread(ada.ask, "What is a fugue?", *MODELS, thread=thread)
        await viewer.watch(over)
    words = [frame["type"] for _, frame in viewer.frames]
    assert words[0] == "snapshot"
    assert words.count("generation.started") == 4
    assert words.count("generation.completed") == 4
    # The last delta may be overtaken by the words of the end, which carry the whole text.
    assert [word for word in words if word != "generation.delta"][-2:] == ["generation.completed", "run.completed"]
    assert words[: words.index("run.synthesizing")].count("generation.completed") == 3
    first_delta = {}
    for at, frame in viewer.frames:
        if frame["type"] == "generation.delta":
            first_delta.setdefault(frame["generation"], at)
    [drafted] = [at for at, frame in viewer.frames if frame["type"] == "run.synthesizing"]
    assert len([at for at in first_delta.values() if at < drafted - 0.5]) == 3
    assert viewer.resyncs == 0
    begun: set[str] = set()
    for _, frame in viewer.frames:
        if frame["type"] == "generation.started":
            begun.add(frame["generation"])
        assert frame["type"] != "generation.delta" or frame["generation"] in begun, "a piece before its beginning"
    stored = texts_in_database(product, run["id"])
    assert {key.replace("-", ""): text for key, text in viewer.texts.items()} == stored
    final = ada.run(run["id"])
    assert (final["status"], final["outcome"]) == ("completed", "full")
    synthesis = final["generations"][-1]
    assert viewer.finals[run["prompt"]] == synthesis["text"]


async def test_a_second_tab_a_late_one_and_a_reload_end_with_the_text_of_the_database(
    product: Product, ada: Person
) -> None:
    run = ada.ask("Compare them.", "wire:ok-100x50ms", "openai:ok-60x20ms", "anthropic:ok-60x20ms")

    async def view_after(seconds: float) -> Viewer:
        await asyncio.sleep(seconds)
        async with watching(product, ada, run["thread"]) as viewer:
            await viewer.watch(lambda viewer: viewer.runs.get(run["id"]) in {"completed", "failed"})
            return viewer

    viewers = await asyncio.gather(*(view_after(seconds) for seconds in (0, 0.3, 0.9, 0.91, 2.5, 5.5)))
    stored = texts_in_database(product, run["id"])
    for viewer in viewers:
        assert {key.replace("-", ""): text for key, text in viewer.texts.items()} == stored
        assert viewer.finals[run["prompt"]]


async def test_a_late_viewer_sees_at_once_what_was_streamed_before_it_came(product: Product, ada: Person) -> None:
    run = ada.ask("Go.", "wire:ok-100x50ms")
    await asyncio.sleep(2.0)
    async with watching(product, ada, run["thread"]) as viewer:
        await viewer.take()
        [text] = viewer.texts.values()
        pieces = len(re.findall(r"\[\d+\]", text))
        assert pieces >= 20, text
        await viewer.watch(over)
        assert viewer.resyncs == 0
    assert ada.ended(run["id"])["generations"][0]["text"] == next(iter(viewer.texts.values()))


def test_the_next_prompt_carries_the_prompts_and_final_answers_but_no_draft(product: Product, ada: Person) -> None:
    first = ada.ask("One?", "wire:ok", "wire:ok@b")
    ended = ada.ended(first["id"])
    final = ended["generations"][-1]["text"]
    second = ada.ask("Two?", "wire:echo", "wire:echo@b", thread=first["thread"])
    ended = ada.ended(second["id"])
    expected = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": final},
        {"role": "user", "content": "Two?"},
    ]
    assert [json.loads(generation["text"]) for generation in ended["generations"][:2]] == [expected, expected]
    prompt = json.loads(ended["generations"][2]["text"])
    assert prompt[0]["role"] == "system"
    assert prompt[1:3] == expected[:2]
    tags = set(re.findall(r"<(draft-[0-9a-f]{8}) id=\"([AB])\">", prompt[3]["content"]))
    assert len(tags) == 2
    assert len({tag for tag, _ in tags}) == 1


def test_the_same_model_may_answer_twice(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Twice?", "wire:ok", "wire:ok")["id"])
    assert [generation["model"]["id"] for generation in run["generations"]] == ["wire:ok"] * 3
    assert run["outcome"] == "full"


def test_one_model_alone_answers_without_a_synthesis(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Alone?", "wire:ok")["id"])
    assert (run["status"], run["outcome"], len(run["generations"])) == ("completed", "single", 1)
    [final] = product.rows(f"SELECT content FROM threads_message WHERE kind = 'final' AND {same('id', run['final'])}")
    assert final[0] == run["generations"][0]["text"]


def test_exactly_the_promised_messages_stand_in_the_threads(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Count.", "wire:ok", "openai:ok", "anthropic:ok")["id"])
    kinds = product.rows(f"SELECT kind FROM threads_message WHERE {same('thread_id', run['thread'])} ORDER BY position")
    assert [kind for (kind,) in kinds] == ["prompt", "draft", "final"]
    lanes = product.rows(
        "SELECT m.kind FROM threads_message m JOIN threads_thread t ON t.id = m.thread_id "
        f"WHERE t.kind = 'lane' AND {same('t.branched_from_id', run['prompt'])}"
    )
    assert lanes == [("draft",), ("draft",)]


def same(column: str, identifier: str) -> str:
    """A condition that holds on both databases, which write a UUID differently."""
    return f"REPLACE(CAST({column} AS TEXT), '-', '') = '{identifier.replace('-', '')}'"
