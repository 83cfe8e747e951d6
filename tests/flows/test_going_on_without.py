"""Whole paths on which the run goes on without somebody: a straggler, one that was stopped, a master that failed."""

import asyncio
import time

from tests.flows.conftest import Wire
from tests.product import Person, Product, wait_for
from tests.viewer import watching

SLOW = "wire:ok-100x50ms"


def generation(run: dict, model: str) -> dict:
    return next(g for g in run["generations"] if g["model"]["id"] == model)


def test_with_a_soft_deadline_the_answer_comes_without_the_slow_one_whose_draft_is_late(ada: Person) -> None:
    run = ada.ask("Go.", "wire:ok", "wire:ok@b", SLOW, minimum=2, soft_deadline=1)
    ended = ada.ended(run["id"], 10)
    assert (ended["status"], ended["outcome"]) == ("completed", "degraded")
    slow = generation(ended, SLOW)
    assert (slow["status"], slow["late"]) == ("streaming", False)
    late = wait_for(lambda: (g := generation(ada.run(run["id"]), SLOW))["status"] == "completed" and g, 10)
    assert late["late"]
    after = ada.run(run["id"])
    assert (after["status"], after["final"]) == ("completed", ended["final"])


def test_the_answer_can_be_asked_for_while_one_still_writes(ada: Person) -> None:
    run = ada.ask("Go.", "wire:ok", "wire:ok@b", SLOW)
    wait_for(lambda: [g["status"] for g in ada.run(run["id"])["generations"]].count("completed") == 2)
    assert ada.api.post(f"/api/runs/{run['id']}/synthesize/").status_code == 202
    ended = ada.ended(run["id"], 3)
    assert (ended["outcome"], generation(ended, SLOW)["status"]) == ("degraded", "streaming")
    ada.api.post(f"/api/generations/{generation(ended, SLOW)['id']}/stop/")


async def test_one_model_is_stopped_upstream_within_two_seconds_and_the_others_go_on(
    product: Product, wire: Wire, ada: Person
) -> None:
    run = ada.ask("Go.", "wire:ok-60x20ms", "anthropic:ok-100x50ms", "wire:ok")
    async with watching(product, ada, run["thread"]) as viewer:
        slow = generation(run, "anthropic:ok-100x50ms")["id"]
        await viewer.watch(lambda viewer: bool(viewer.texts.get(slow)))
        begun = time.monotonic()
        await asyncio.to_thread(ada.api.post, f"/api/generations/{slow}/stop/")
        await asyncio.to_thread(
            wait_for, lambda: wire.requests("ok-100x50ms")[-1]["disconnected"], 5, what="the closed stream"
        )
        assert time.monotonic() - begun < 2
        await viewer.watch(lambda viewer: viewer.runs.get(run["id"]) == "completed")
    ended = ada.run(run["id"])
    stopped = generation(ended, "anthropic:ok-100x50ms")
    assert (ended["outcome"], stopped["status"]) == ("degraded", "cancelled")
    assert stopped["text"].startswith("[0]")
    assert {g["id"]: g["text"] for g in ended["generations"]} == viewer.texts


def test_the_one_that_was_stopped_can_be_asked_anew_after_the_end(ada: Person) -> None:
    slow = "wire:ok-60x20ms"
    run = ada.ask("Go.", "wire:ok", "wire:ok@b", slow)
    ada.api.post(f"/api/generations/{generation(run, slow)['id']}/stop/")
    ended = ada.ended(run["id"])
    stopped = generation(ended, slow)
    assert stopped["status"] == "cancelled"
    answer = ada.api.post(f"/api/generations/{stopped['id']}/retry/")
    assert answer.status_code == 202
    late = wait_for(lambda: (g := generation(ada.run(run["id"]), slow))["status"] == "completed" and g)
    assert late["late"]
    assert ada.run(run["id"])["final"] == ended["final"]


def test_a_fallback_master_writes_when_the_chosen_one_cannot(frugal_ada: Person) -> None:
    run = frugal_ada.ask("Go.", "wire:only-drafts", "wire:ok")
    ended = frugal_ada.ended(run["id"])
    assert (ended["status"], ended["outcome"], ended["master"]["id"]) == ("completed", "full", "wire:ok@c")
    assert [each["model"]["id"] for each in ended["gave_up"]] == ["wire:only-drafts", "openai:status-500"]
    messages = frugal_ada.api.get(f"/api/threads/{run['thread']}/messages/").json()["results"]
    assert [m["model"] for m in messages if m["kind"] == "final"] == ["wire:ok@c"]


def test_a_provider_is_asked_no_more_at_once_than_it_takes_by_all_workers_together(
    frugal: Product, frugal_ada: Person, wire: Wire
) -> None:
    run = frugal_ada.ask("Go.", *[f"narrow:ok-20x10ms@{slot}" for slot in "abcd"])
    seen = wait_for(lambda: [g for g in frugal_ada.run(run["id"])["generations"] if g["waiting_for"]] or None, 5)
    assert {g["waiting_for"] for g in seen} == {"narrow"}
    ended = frugal_ada.ended(run["id"], 30)
    assert (ended["status"], ended["outcome"]) == ("completed", "full")
    times = [(g["started_at"], g["seconds"]) for g in ended["generations"]]
    assert len(times) == 5
    rows = frugal.rows(
        "SELECT count(*) FROM runs_generation a JOIN runs_generation b ON a.id <> b.id AND a.run_id = b.run_id"
        " AND a.started_at <= b.started_at AND b.started_at < a.ended_at"
        f" AND a.run_id = '{run['id'].replace('-', '')}' AND a.model_id LIKE 'narrow:%' AND b.model_id LIKE 'narrow:%'"
    )
    assert rows[0][0] == 0, "two streams of a provider that takes one at once overlapped"
