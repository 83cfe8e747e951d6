"""A copy of the product to be hurt: real processes under the launcher, over one of the two databases."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.faults import journal
from tests.faults.client import Audience
from tests.faults.points import Points
from tests.product import Person, Product
from tests.servers import PostgreSQL
from tests.wire.process import Wire, running

DATABASES = ("sqlite", "postgresql")
LEASE_SECONDS = 3.0
RUN_SECONDS = 60.0
CLOCKS = {
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "CHECKPOINT_SECONDS": "0.2",
    "SWEEP_SECONDS": "0.5",
    "FIRST_TOKEN_TIMEOUT": "5",
    "IDLE_TIMEOUT": "3",
    "GENERATION_TIMEOUT": "20",
    "SYNTHESIS_TIMEOUT": "10",
    "RUN_TIMEOUT": str(RUN_SECONDS),
    "QUEUE_TIMEOUT": "30",
    "ATTEMPTS_MAX": "5",
    "WORKER_CONCURRENCY": "60",
    "ACTIVE_RUNS_PER_USER_MAX": "40",
}
"""Short, so that a fault costs seconds."""


class Place:
    """The product, the vendors' server, the database's server if there is one, and the pages that are open."""

    def __init__(self, product: Product, wire: Wire, server: PostgreSQL | None, audience: Audience) -> None:
        self.product = product
        self.wire = wire
        self.server = server
        self.audience = audience
        self.points = Points(product.folder / "points")
        self.people: list[Person] = []
        self.run_seconds = RUN_SECONDS

    @property
    def database(self) -> str:
        return "postgresql" if self.server else "sqlite"

    def broker(self) -> redis.Redis:
        """A client of its own, which does not insist; close it, or use it as a context."""
        return redis.Redis(unix_socket_path=str(self.product.socket), socket_timeout=4, retry=Retry(NoBackoff(), 0))


@contextmanager
def a_place(folder: Path, database: str, people: int = 1, **environment: str) -> Iterator[Place]:
    """A fresh copy of the product, gone at the end of the context."""
    with ExitStack() as stack:
        wire = stack.enter_context(running())
        server = stack.enter_context(_postgresql()) if database == "postgresql" else None
        settings = {**_environment(wire, folder, server), **environment}
        product = Product(folder, "-m tests.faults.stage", programs=("web", "worker", "sweeper"), **settings)
        stack.callback(product.stop)
        audience = Audience()
        stack.callback(audience.close)
        place = Place(product, wire, server, audience)
        place.points.clear()
        product.start()
        journal.install(product)
        place.people = [product.person(f"person-{number}") for number in range(people)]
        yield place


def _environment(wire: Wire, folder: Path, server: PostgreSQL | None) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    models = folder / "models.toml"
    models.write_text("\n".join(f'[[models]]\nid = "{vendor}:{name}"\n' for vendor in VENDORS for name in MODELS))
    database = {"DATABASE_URL": server.address, "DATABASE_POOL": "8"} if server else {}
    return {
        **CLOCKS,
        **database,
        "MODELS_FILE": str(models),
        "OPENAI_API_KEY": "sk-of-the-faults",
        "OPENAI_BASE_URL": f"{wire.url}/v1",
        "ANTHROPIC_API_KEY": "sk-of-the-faults",
        "ANTHROPIC_BASE_URL": wire.url,
        "COMPATIBLE_PROVIDERS": f"wire={wire.url}/v1",
        "COMPATIBLE_WIRE_MODELS": ",".join(MODELS),
        "FAULTS_FOLDER": str(folder / "points"),
    }


VENDORS = ("openai", "anthropic")
_TELLING = ("tell-20x20ms", "tell-40x20ms", "tell-40x50ms", "tell-10x5ms", "tell-30x20ms-breaks-1")
_FAILING = ("status-401", "status-500", "reset-mid", "silent")
MODELS = [f"{name}@{slot}" for name in (*_TELLING, *_FAILING) for slot in "abcd"]


@contextmanager
def _postgresql() -> Iterator[PostgreSQL]:
    # A socket's path must be short, and the server runs as another user when the tests run as root.
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="pg-"))
    folder.chmod(0o755)
    try:
        with PostgreSQL(folder / "server") as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
