"""Stopping a run closes its streams upstream, keeps what has come, and ends everything."""

import asyncio
import time

from tests.flows.conftest import Wire
from tests.product import Person, Product, wait_for
from tests.viewer import watching


async def test_a_stop_closes_the_streams_within_two_seconds_and_keeps_the_text(
    product: Product, wire: Wire, ada: Person
) -> None:
    run = ada.ask("Go.", "wire:ok-100x50ms", "openai:ok-100x50ms", "anthropic:ok-100x50ms")
    async with watching(product, ada, run["thread"]) as viewer:
        await viewer.watch(lambda viewer: sum(bool(text) for text in viewer.texts.values()) == 3)
        begun = time.monotonic()
        assert (await asyncio.to_thread(ada.api.post, f"/api/runs/{run['id']}/stop/")).status_code == 202
        await viewer.watch(lambda viewer: viewer.runs.get(run["id"]) == "cancelled")
    assert time.monotonic() - begun < 2.5
    ended = ada.run(run["id"])
    assert [generation["status"] for generation in ended["generations"]] == ["cancelled"] * 3
    assert all(generation["text"] for generation in ended["generations"])
    assert {g["id"]: g["text"] for g in ended["generations"]} == viewer.texts
    wait_for(lambda: all(call["disconnected"] for call in wire.requests("ok-100x50ms")[-3:]), 3, what="closed streams")


def test_stopping_twice_does_no_harm(product: Product, ada: Person) -> None:
    run = ada.ask("Go.", "wire:ok-100x50ms")
    assert ada.api.post(f"/api/runs/{run['id']}/stop/").status_code == 202
    ada.ended(run["id"])
    again = ada.api.post(f"/api/runs/{run['id']}/stop/")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


def test_a_thread_takes_a_new_prompt_after_a_stop(product: Product, ada: Person) -> None:
    run = ada.ask("Go.", "wire:ok-100x50ms")
    ada.api.post(f"/api/runs/{run['id']}/stop/")
    ada.ended(run["id"])
    assert ada.ended(ada.ask("Again.", "wire:ok", thread=run["thread"])["id"])["status"] == "completed"
