"""The running product before a server that speaks both vendors' wires."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.product import Person, Product
from tests.servers import postgresql
from tests.wire.process import Wire, running

COPIES = int(os.environ.get("COPIES", "1"))
"""How many web processes and how many workers (``make scale-out``)."""

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
    "only-drafts",
    "fail-2-then-ok",
    "fail-2-then-ok@watched",
    "surrogates",
    "nul",
]


@pytest.fixture(scope="session")
def wire() -> Iterator[Wire]:
    with running() as server:
        yield server


def environment(wire: Wire, folder: Path) -> dict[str, str]:
    """Three providers at the wire server, short clocks, room for many runs of one person, and the demo."""
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
        "ACTIVE_RUNS_PER_USER_MAX": "50",
    }


@contextmanager
def a_server() -> Iterator[str]:
    """A PostgreSQL; yields its address."""
    # A socket's path must be short, and the server runs as another user when the tests run as root.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pg-") as place:
        Path(place).chmod(0o755)
        with postgresql(Path(place) / "server") as address:
            yield address


@contextmanager
def a_product(folder: Path, *, copies: int = COPIES, **settings: str) -> Iterator[Product]:
    """A running product; of several copies, over PostgreSQL and behind a proxy."""
    with ExitStack() as stack:
        if copies > 1 and "DATABASE_URL" not in settings:
            settings["DATABASE_URL"] = stack.enter_context(a_server())
        product = Product(folder, copies=copies, **settings)
        stack.callback(product.stop)
        product.start()
        yield product


@pytest.fixture(scope="session")
def product(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("product")
    with a_product(folder, **environment(wire, folder)) as product:
        yield product


@pytest.fixture(scope="session")
def ada(product: Product) -> Person:
    return product.person("ada")


@pytest.fixture(scope="session")
def frugal(wire: Wire, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A copy with a fallback master, a provider that takes one request at once, and two workers."""
    folder = tmp_path_factory.mktemp("frugal")
    settings = environment(wire, folder)
    settings["COMPATIBLE_PROVIDERS"] += f",narrow={wire.url}/v1"
    settings["COMPATIBLE_NARROW_MODELS"] = ",".join(f"ok-20x10ms@{slot}" for slot in "abcd")
    limits = {"FALLBACK_MASTERS": "openai:status-500,wire:ok@c", "PROVIDER_AT_ONCE": "narrow=1"}
    with a_product(folder, **settings, **limits) as product:
        if COPIES == 1:
            product.start_program("worker", "worker-2")
        yield product


@pytest.fixture(scope="session")
def frugal_ada(frugal: Product) -> Person:
    return frugal.person("ada")
