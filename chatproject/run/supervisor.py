"""Starts processes, hands on what they print, starts again what dies, and stops everything."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable

from chatproject.run.guard import Guard
from chatproject.run.process import Process

STOP_AFTER = 3.5
"""Seconds from asking processes to end until they are killed."""
BROKER_STOP_AFTER = 1.0


class Stopped(Exception):
    """Somebody wants everything to end: a signal came, or the process that started us is gone."""


class Supervisor:
    """One thread that waits for output, signals and the end of processes alike."""

    def __init__(self, guard: Guard, say: Callable[[str], None], *, stop_with_parent: bool = False) -> None:
        self._guard = guard
        self._say = say
        self._kept: list[Process] = []
        self._last: Process | None = None
        self._selector = selectors.DefaultSelector()
        self._stop_asked = 0
        self._parent = os.getppid() if stop_with_parent else 0
        self._listen_for_signals()

    def keep(self, process: Process, *, to_the_end: bool = False) -> None:
        """Start a process and start it again whenever it dies; ``to_the_end``: stop it after all others."""
        self._kept.append(process)
        if to_the_end:
            self._last = process
        self._start(process)

    def once(self, process: Process) -> int:
        """Run a process to its end; its exit code."""
        self._start(process)
        try:
            while not process.ended():
                self.tick(0.02)
        finally:
            self._end([process], STOP_AFTER)
        return process.exit_code or 0

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Look after everything until the condition holds; whether it came to hold in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.tick(0.03)
        return True

    def tick(self, seconds: float = 0.25) -> None:
        """Hand on output for a moment, then see who died and who wants everything to end."""
        self._hand_on(seconds)
        self._guard.check()
        for process in self._kept:
            self._look_after(process)
        if self._stop_asked or (self._parent and os.getppid() != self._parent):
            raise Stopped

    def stop(self) -> None:
        """End everything, the broker last: the others talk to it until their end."""
        self._stop_asked = 0
        self._end([process for process in self._kept if process is not self._last], STOP_AFTER)
        self._end([self._last] if self._last else [], BROKER_STOP_AFTER)

    def _start(self, process: Process) -> None:
        process.start(self._guard)
        self._selector.register(process.output, selectors.EVENT_READ, process)

    def _bury(self, process: Process) -> None:
        if process.output in self._selector.get_map():
            self._selector.unregister(process.output)
        process.bury(self._guard)

    def _hand_on(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Process):
                if not key.data.read():
                    self._selector.unregister(key.fd)
            else:
                self._wake.recv(1024)

    def _look_after(self, process: Process) -> None:
        if process.ended():
            self._bury(process)
            pause = process.pause()
            process.due = time.monotonic() + pause
            self._say(f"{process.name} {how_it_ended(process.exit_code)}; it starts again in {pause:g} s")
        elif process.due and time.monotonic() >= process.due:
            self._start(process)

    def _end(self, processes: list[Process], patience: float) -> None:
        """Ask processes to end; kill what is left after ``patience`` seconds or a second signal."""
        deadline = time.monotonic() + patience
        for process in processes:
            process.signal(signal.SIGTERM)
        while left := [process for process in processes if process.running]:
            if time.monotonic() > deadline or self._stop_asked:
                deadline += 1
                for process in left:
                    process.signal(signal.SIGKILL)
            self._hand_on(0.05)
            for process in left:
                if process.ended():
                    self._bury(process)

    def _listen_for_signals(self) -> None:
        self._wake, wakes = socket.socketpair()
        self._wake.setblocking(False)
        wakes.setblocking(False)
        self._wakes = wakes
        self._selector.register(self._wake, selectors.EVENT_READ)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup keeps it ignored
            signal.signal(signal.SIGHUP, self._ask_to_stop)

    def _ask_to_stop(self, *_: object) -> None:
        self._stop_asked += 1


def how_it_ended(code: int | None) -> str:
    """An exit code in words."""
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
