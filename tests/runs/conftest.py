"""Models that nobody hosts, and what the verbs say."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from runs import catalogue
from threads import channel
from threads.connections import sync_client
from threads.events import Event

MODELS = """
[[models]]
id = "swift:one"
label = "Swift One"
context_window = 1000
input_price = 1
output_price = 2.5
capabilities = ["reasoning"]
[[models]]
id = "swift:two"
[[models]]
id = "swift:three"
[[models]]
id = "lost:key"
label = "Lost"
[[models]]
id = "played:script"
label = "Script"
"""


class Task(NamedTuple):
    """One message at the broker."""

    name: str
    arguments: list[str]
    callback: tuple[str, ...] | None = None
    eta: str | None = None


def provider(kind: str = "compatible", *, configured: bool = True, models: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "kind": kind,
        "base_url": "",
        "api_key": "",
        "models": list(models),
        "configured": configured,
        "needs": "" if configured else "Set LOST_API_KEY and restart, or choose another model.",
    }


@pytest.fixture
def models(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A catalogue of three models that can be asked, one whose provider lost its key, and a demo."""
    settings.MODELS_FILE = tmp_path / "models.toml"
    settings.MODELS_FILE.write_text(MODELS)
    settings.PROVIDERS = {
        "swift": provider(),
        "lost": provider(configured=False),
        "played": provider("demo"),
    }
    catalogue.models.cache_clear()
    yield settings.MODELS_FILE
    catalogue.models.cache_clear()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Every event that goes to a thread's sockets."""
    events: list[Event] = []
    monkeypatch.setattr(channel, "send", lambda _thread_id, *said: events.extend(said))
    return events


@pytest.fixture
def sent(redis_flushed: None) -> Callable[[], list[Task]]:
    """Takes what was published at the broker: task names with their arguments, oldest first."""

    def take() -> list[Task]:
        broker = sync_client()
        raw = cast(list[bytes], broker.lrange("celery", 0, -1))[::-1]
        broker.delete("celery")
        return [_task(json.loads(message)) for message in raw]

    return take


def _task(message: dict[str, Any]) -> Task:
    arguments, _named, embedded = json.loads(base64.b64decode(message["body"]))
    chord = embedded.get("chord")
    callback = (chord["task"], *chord["args"]) if chord else None
    return Task(message["headers"]["task"], arguments, callback, message["headers"]["eta"])
