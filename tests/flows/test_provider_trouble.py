"""What goes wrong at a vendor ends in the right state, with a sentence for people and nothing secret in it."""

import asyncio

import pytest

from tests.flows.conftest import KEY
from tests.product import Person, Product
from tests.viewer import OVER, watching
from tests.wire import BODY_CANARY

TROUBLE = {
    "status-401": "auth",
    "status-500": "unavailable",
    "status-529": "overloaded",
    "status-429-retry-1": "rate_limited",
    "quota": "quota",
    "too-long": "too_long",
    "html-200": "protocol",
    "json-error-200": None,
    "empty-200": "protocol",
    "reset": "connection",
    "reset-mid": "connection",
    "cut": "protocol",
    "cut-in-json": "protocol",
    "bad-sse": "protocol",
    "bad-utf8": "protocol",
    "error-event": "overloaded",
    "silent": "timeout",
    "silent-mid": "timeout",
    "drip": "timeout",
    "stop-empty": "protocol",
}


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "wire"])
def test_each_trouble_is_named_and_the_run_goes_on_with_the_others(product: Product, ada: Person, vendor: str) -> None:
    runs = {name: ada.ask("Go.", "wire:ok", "wire:ok@b", f"{vendor}:{name}") for name in TROUBLE}
    for name, code in TROUBLE.items():
        run = ada.ended(runs[name]["id"], 60)
        assert (run["status"], run["outcome"]) == ("completed", "degraded"), name
        failed = run["generations"][2]
        assert failed["status"] == "failed", name
        assert code is None or failed["error"]["code"] == code, (name, failed["error"])
        sentence = failed["error"]["message"]
        assert sentence.endswith("."), (name, sentence)
        assert KEY not in sentence
        assert BODY_CANARY not in sentence
    for program in ("web", "worker"):
        assert KEY not in product.log(program)
        assert BODY_CANARY not in product.log(program)
        assert product.processes[program].poll() is None


def test_a_refused_connection_is_named(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:ok", "nowhere:anything", "wire:ok@b")["id"], 40)
    assert run["generations"][1]["error"]["code"] == "connection"


def test_the_failed_models_are_named_to_the_master(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:echo", "wire:ok", "wire:status-401")["id"])
    assert "status-401 gave no draft: " in run["generations"][-1]["text"]


def test_a_trouble_that_passes_is_overcome_by_another_attempt(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:ok", "wire:fail-2-then-ok")["id"], 40)
    assert run["outcome"] == "full"
    assert run["generations"][1]["attempt"] == 3


def test_one_draft_is_shown_as_that_models_answer_without_a_synthesis(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:status-401", "wire:ok", "wire:quota")["id"])
    assert (run["status"], run["outcome"]) == ("completed", "single")
    assert [generation["kind"] for generation in run["generations"]] == ["candidate"] * 3


def test_without_any_draft_the_run_fails_with_each_cause(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:status-401", "wire:quota")["id"])
    assert (run["status"], run["outcome"]) == ("failed", "none")
    assert "status-401: " in run["error"]["message"]
    assert "quota: " in run["error"]["message"]


def test_a_refusal_is_no_draft_but_no_failure_either(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:ok", "wire:ok@b", "wire:refusal")["id"])
    assert run["outcome"] == "degraded"
    refused = run["generations"][2]
    assert (refused["status"], refused["finish_reason"], refused["error"]) == ("completed", "refusal", None)


def test_an_answer_cut_by_its_limit_is_a_draft_that_says_so(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:ok", "wire:length")["id"])
    assert run["outcome"] == "full"
    assert run["generations"][1]["finish_reason"] == "length"


def test_a_master_that_fails_leaves_the_drafts_and_says_why(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:status-401", "wire:ok", "wire:ok@b")["id"])
    assert run["status"] == "failed"
    assert run["error"]["code"] == "synthesis_failed"
    assert [generation["status"] for generation in run["generations"]] == ["failed", "completed", "completed", "failed"]


def test_hostile_characters_are_cleaned_at_the_providers_edge(product: Product, ada: Person) -> None:
    run = ada.ended(ada.ask("Go.", "wire:ok", "wire:surrogates", "wire:nul")["id"])
    assert run["outcome"] == "full"
    assert "\x00" not in str(run)


async def test_viewers_are_told_that_another_attempt_waits_and_why(product: Product, ada: Person) -> None:
    thread = ada.api.post("/api/threads/", json={}).json()["id"]
    async with watching(product, ada, thread) as viewer:
        await asyncio.to_thread(ada.ask, "Go.", "wire:fail-2-then-ok@watched", thread=thread)
        await viewer.watch(lambda viewer: viewer.frames[-1][1]["type"] in OVER if viewer.frames else False)
    frames = [frame for _, frame in viewer.frames]
    text = {"generation.delta", "generation.block"}
    words = [frame["type"] for frame in frames if frame["type"].startswith("generation.")]
    words = [word for word in words if word not in text]
    again = ["generation.requeued", "generation.restarted"]
    assert words == ["generation.started", *again, *again, "generation.completed"]
    [first, _second] = [frame["generation"] for frame in frames if frame["type"] == "generation.requeued"]
    assert (first["status"], first["error"]["code"]) == ("queued", "unavailable")
