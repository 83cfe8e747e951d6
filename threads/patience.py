"""A limit of time for each of many short things, which costs nothing while each of them is short."""

import asyncio


class Patience:
    """Cancels a task that has been at one thing for too long.

    ``asyncio.timeout`` makes and removes a timer for each thing; here one timer looks now and then whether the task is
    still at the same thing.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._task = asyncio.current_task()
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.lost = False
        """The task was cancelled by us."""

    def begin(self) -> None:
        """The task begins one thing."""
        self._since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def end(self) -> None:
        """The thing is done."""
        self._since = None

    def close(self) -> None:
        """Nothing more is watched."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        left = self._since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif self._task is not None:
            self.lost = True
            self._task.cancel()
