"""The running product before a server that speaks both vendors' wires."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.product import ROOT, Person, Product

KEY = "sk-canary-5f1d"
BEHAVIOURS = [
    "ok",
    "ok@b",
    "ok@c",
    "echo",
    "echo@b",
    "ok-60x20ms",
    "ok-100x50ms",
    "ok-20x10ms",
    "count-20x10ms",
    "refusal",
    "filtered",
    "length",
    "stop-empty",
    "status-401",
    "status-500",
    "status-529",
    "status-429-retry-1",
    "quota",
    "too-long",
    "html-200",
    "json-error-200",
    "empty-200",
    "empty-choices",
    "reset",
    "reset-mid",
    "cut",
    "cut-in-json",
    "bad-sse",
    "bad-utf8",
    "error-event",
    "silent",
    "silent-mid",
    "drip",
    "fail-2-then-ok",
    "fail-2-then-ok@watched",
    "surrogates",
    "nul",
]


@dataclass
class Wire:
    """The server of the vendors, as a process of its own."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self, model: str = "") -> list[dict[str, Any]]:
        """What it was asked so far."""
        return list(httpx2.get(f"{self.url}/requests", params={"model": model} if model else {}).json())


@pytest.fixture(scope="session")
def wire() -> Iterator[Wire]:
    command = [sys.executable, "-m", "tests.wire", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Wire(int(process.stdout.readline()))
        process.terminate()


def environment(wire: Wire, folder: Path) -> dict[str, str]:
    """Three providers at the wire server, short clocks, and the demo."""
    folder.mkdir(parents=True, exist_ok=True)
    models = folder / "models.toml"
    entries = [f'[[models]]\nid = "{vendor}:{name}"\n' for vendor in ("openai", "anthropic") for name in BEHAVIOURS]
    demo = [f'[[models]]\nid = "demo:{name}"\ntokens_per_second = 60\n' for name in ("one", "two", "three")]
    models.write_text("\n".join([*entries, *demo]))
    return {
        "MODELS_FILE": str(models),
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{wire.url}/v1",
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": wire.url,
        "COMPATIBLE_PROVIDERS": f"wire={wire.url}/v1,nowhere=http://127.0.0.1:9/v1",
        "COMPATIBLE_WIRE_MODELS": ",".join(BEHAVIOURS),
        "COMPATIBLE_NOWHERE_MODELS": "anything",
        "FIRST_TOKEN_TIMEOUT": "1.5",
        "IDLE_TIMEOUT": "1",
        "SWEEP_SECONDS": "0.5",
        "LEASE_SECONDS": "4",
    }


@pytest.fixture(scope="session")
def product(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("product")
    product = Product(folder, **environment(wire, folder))
    try:
        product.start()
        yield product
    finally:
        product.stop()


@pytest.fixture(scope="session")
def ada(product: Product) -> Person:
    return product.person("ada")
