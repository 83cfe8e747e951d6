"""The one asyncio loop of a worker process. Tasks run in threads, hand their coroutines to it and wait.

A waiting thread costs 0.08 MB; a loop, a client or a connection for each task would cost far more (docs/decisions).
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

_lock = threading.Lock()
_running: list[asyncio.AbstractEventLoop] = []


def submit(coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
    """Run a coroutine in the loop of this process, from any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop())


def call(act: Callable[[], None]) -> None:
    """Do something short in the loop of this process, from any thread."""
    _loop().call_soon_threadsafe(act)


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if not _running:
            loop = uvloop.new_event_loop()
            threading.Thread(target=loop.run_forever, name="streams", daemon=True).start()
            _running.append(loop)
        return _running[0]
