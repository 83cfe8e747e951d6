"""A web process sweeps from its start to its end."""

import asyncio
import threading
from typing import Any

import pytest

from chatproject.asgi import application
from runs import orchestration


async def test_it_sweeps_from_start_to_end(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SWEEP_SECONDS = 0.002
    swept = threading.Semaphore(0)
    monkeypatch.setattr(orchestration, "sweep", lambda: swept.release() or 0)
    told: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    server = asyncio.create_task(application({"type": "lifespan"}, told.get, said.put))  # type: ignore[arg-type]
    await told.put({"type": "lifespan.startup"})
    assert await said.get() == {"type": "lifespan.startup.complete"}
    for _ in range(3):
        assert await asyncio.to_thread(swept.acquire, timeout=5)
    (sweeper,) = (thread for thread in threading.enumerate() if thread.name == "sweeper")
    await told.put({"type": "lifespan.shutdown"})
    assert await said.get() == {"type": "lifespan.shutdown.complete"}
    await asyncio.to_thread(sweeper.join, 5)
    assert not sweeper.is_alive()
    await asyncio.wait_for(server, 5)
