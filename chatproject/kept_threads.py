"""Requests are answered in threads that are kept: asgiref makes one for each, and its loop waits until that has begun.

While many ask, it waits for milliseconds, and every socket of the process with it.
"""

from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext

Application = Callable[[Any, Any, Any], Awaitable[None]]

KEPT = 32
"""How many threads wait for requests at the most. One costs 0.1 MB; more requests at once have threads of their own."""


class _Thread(ThreadPoolExecutor):
    """One thread, which knows what it was last given to do."""

    def __init__(self) -> None:
        super().__init__(max_workers=1, thread_name_prefix="request")
        self._last: Future[Any] | None = None

    def submit(self, *call: Any, **options: Any) -> Future[Any]:
        """Do this next."""
        self._last = super().submit(*call, **options)
        return self._last

    def when_free(self, act: Callable[[], None]) -> None:
        """After all that it was given to do: who is gone is not waited for, but the request is still being answered."""
        if self._last is None or self._last.done():
            act()
        else:
            super().submit(act)


class KeptThreads:
    """An application in front of Django's, which lends it a thread for each request."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._free: list[_Thread] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        thread = self._free.pop() if self._free else _Thread()
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self._application(scope, receive, send)
        finally:
            thread.when_free(lambda: self._keep(thread))

    def _keep(self, thread: _Thread) -> None:
        if len(self._free) < KEPT:
            self._free.append(thread)
        else:
            thread.shutdown(wait=False)
