"""Run a program of the product with shorter clocks, and with the points at which it can be held.

    python -m tests.faults.stage -m celery --app chatproject worker
    python -m tests.faults.stage manage.py sweep --forever

The product itself holds no hooks: its functions are wrapped here before it starts. A name that is not there any more
fails the start, so that no point is lost in silence.

    FAULTS_FOLDER   where the points are armed
    FAULTS_GRACE    seconds that stand for the product's fixed waits before it sends a lost message again
"""

import os
import runpy
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID

import django

from tests.faults.points import InHand, Point, Points

Function = Callable[..., Any]
GRACES = ("GRACE", "LAUNCH_GRACE", "RECHECK")
"""How long the product waits before it takes a message for lost."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
    django.setup()
    _shorten(float(os.environ.get("FAULTS_GRACE", "2")))
    _add_connections()
    points = Points(Path(os.environ["FAULTS_FOLDER"]))
    _make_removable(points)
    _tell_what_is_in_hand(InHand(points.folder))
    _watch(Watch(points))
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


class Watch:
    """What is looked at each time the product comes past a point."""

    def __init__(self, points: Points) -> None:
        self._points = points

        self._paused: dict[Any, threading.Thread] = {}

    def hold(self, point: Point, run_id: UUID | str, when: Callable[[], bool] = lambda: True) -> None:
        """Hold this process if the point is armed for this run."""
        if self.is_armed(point, run_id) and when():
            self._points.hold(point)

    def pause(self, point: Point, held: Any) -> None:
        """Hold one generation if the point is armed for its run; the process goes on."""
        if self.is_armed(point, held.generation.run_id):
            thread = threading.Thread(target=self._points.hold, args=(point,), daemon=True)
            thread.start()
            self._paused[held] = thread

    def is_paused(self, held: Any) -> bool:
        """Whether this generation is held now."""
        return held in self._paused and self._paused[held].is_alive()

    def wait_for(self, held: Any) -> None:
        """Until this generation is not held any more."""
        if held in self._paused:
            self._paused[held].join()

    def is_armed(self, point: Point, run_id: UUID | str) -> bool:
        """Whether a process is to be held there with this run."""
        from runs.models import MultiModelRun

        token = self._points.armed(point)
        runs = MultiModelRun.objects.filter(pk=run_id, prompt__content__contains=token)
        return bool(token) and runs.exists()


def _tell_what_is_in_hand(hand: InHand) -> None:
    """The broker does not know it: a worker that took a message has it alone."""
    from celery.signals import task_postrun, task_received

    task_received.connect(lambda request, **_: hand.take(request.id), weak=False)
    task_postrun.connect(lambda task_id, **_: hand.end(task_id), weak=False)


def _watch(watch: Watch) -> None:
    from celery.backends.redis import RedisBackend

    from runs import actions, orchestration
    from workers import together

    launched = threading.local()
    _wrap(orchestration, "_launch", lambda real: _launch(watch, launched, real))
    _wrap(RedisBackend, "set_chord_size", lambda real: _set_chord_size(watch, launched, real))
    _wrap(together, "claim", lambda real: _claim(watch, real))
    _wrap(actions, "checkpoint_all", lambda real: _checkpoint(watch, real))
    _wrap(together, "complete", lambda real: _complete(watch, real))
    _wrap(actions, "settle", lambda real: _settle(watch, real))
    for module, ending in ((together, "complete"), (actions, "fail"), (actions, "halt"), (actions, "release")):
        _wrap(module, ending, lambda real: _end(watch, real))


def _launch(watch: Watch, launched: threading.local, real: Function) -> Function:
    def launch(run: Any, *candidates: Any) -> Any:
        watch.hold(Point.AFTER_COMMIT, run.pk)
        launched.run = run.pk
        return real(run, *candidates)

    return launch


def _set_chord_size(watch: Watch, launched: threading.local, real: Function) -> Function:
    """Celery says it before it sends the last task of a chord."""

    def set_chord_size(*about: Any) -> Any:
        watch.hold(Point.IN_LAUNCH, launched.run)
        return real(*about)

    return set_chord_size


def _claim(watch: Watch, real: Function) -> Function:
    def claim(generation_id: UUID) -> Any:
        held = real(generation_id)
        if held is not None and _is_draft(held):
            watch.hold(Point.AFTER_CLAIM, held.generation.run_id)
        return held

    return claim


def _checkpoint(watch: Watch, real: Function) -> Function:
    """All texts of a process are saved in one thread; only the generation that is held must stand still."""
    from runs.actions import Hold

    def checkpoint_all(progress: dict[Any, Any]) -> Any:
        holds = real({held: news for held, news in progress.items() if not watch.is_paused(held)})
        for held, hold in holds.items():
            if hold is Hold.KEPT and progress[held].text:
                watch.pause(_in_the_middle(held), held)
        return holds

    return checkpoint_all


def _end(watch: Watch, real: Function) -> Function:
    def end(held: Any, *args: Any, **options: Any) -> Any:
        watch.wait_for(held)
        return real(held, *args, **options)

    return end


def _complete(watch: Watch, real: Function) -> Function:
    from runs import actions

    def complete(held: Any, ending: Any, *args: Any, **options: Any) -> bool:
        if watch.is_armed(_in_the_middle(held), held.generation.run_id):
            # The database was so busy that nobody could save a part before it was whole.
            actions.checkpoint_all({held: actions.Progress(ending.text)})
            watch.wait_for(held)
        done = bool(real(held, ending, *args, **options))
        run_id = held.generation.run_id
        if done and _is_draft(held):
            watch.hold(Point.AFTER_LAST_DRAFT, run_id, lambda: not _open_drafts(run_id))
        elif done:
            watch.hold(Point.AFTER_FINAL, run_id)
        return done

    return complete


def _settle(watch: Watch, real: Function) -> Function:
    def settle(run_id: UUID, **how: bool) -> Any:
        watch.hold(Point.BEFORE_JOIN, run_id, lambda: _is_answered(run_id))
        joined = real(run_id, **how)
        if joined:
            watch.hold(Point.AFTER_JOIN, run_id)
        return joined

    return settle


def _is_draft(held: Any) -> bool:
    return bool(held.generation.kind == "candidate")


def _in_the_middle(held: Any) -> Point:
    return Point.MID_STREAM if _is_draft(held) else Point.IN_SYNTHESIS


def _open_drafts(run_id: UUID) -> bool:
    from runs.models import GENERATION_ACTIVE, Generation

    return Generation.objects.filter(run_id=run_id, kind="candidate", status__in=GENERATION_ACTIVE).exists()


def _is_answered(run_id: UUID) -> bool:
    from runs.models import MultiModelRun

    return MultiModelRun.objects.filter(pk=run_id, status="answering").exists() and not _open_drafts(run_id)


def _wrap(owner: Any, name: str, around: Callable[[Function], Function]) -> None:
    real = getattr(owner, name)
    setattr(owner, name, wraps(real)(around(real)))


def _shorten(seconds: float) -> None:
    """Put ``seconds`` in the place of the product's graces, in each module that has taken one over."""
    import runs.actions

    ours = [module for name, module in sys.modules.items() if name.startswith(runs.actions.__name__)]
    for grace in GRACES:
        holders = [module for module in ours if hasattr(module, grace)]
        assert holders, f"no module of runs.actions has a {grace} any more"
        for module in holders:
            setattr(module, grace, timedelta(seconds=seconds))


def _add_connections() -> None:
    """Who is held keeps a connection, and at SQLite a process has few. (With PostgreSQL its pool has enough.)"""
    from django.conf import settings

    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite"):
        settings.DATABASES["default"]["OPTIONS"]["connections"] = len(Point) + 4


def _make_removable(points: Points) -> None:
    """Let a test take away what keeps the promises, to see whether it is missed."""
    from runs import orchestration
    from runs.actions import Claim, claims
    from runs.models import Generation

    def sweep(real: Function) -> Function:
        return lambda: 0 if points.lacks("sweep") else real()

    def rows(real: Function) -> Function:
        return lambda held: Generation.objects.filter(pk=held.generation.pk) if points.lacks("fence") else real(held)

    def save(real: Function) -> Function:
        def anybody(progress: dict[Any, Any]) -> Any:
            for held, news in progress.items():
                Generation.objects.filter(pk=held.generation.pk).update(text=news.text, **news.news())
            return list(progress)

        return lambda progress: anybody(progress) if points.lacks("fence") else real(progress)

    _wrap(orchestration, "sweep", sweep)
    _wrap(Claim, "rows", rows)
    _wrap(claims, "_save", save)


if __name__ == "__main__":
    main()
