"""Requests are lent threads that outlive them, and never one that still has something to do."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async

from chatproject import asgi, kept_threads
from chatproject.kept_threads import KeptThreads

Answer = Callable[[], Any]


def answering(view: Answer, seen: list[Any]) -> KeptThreads:
    """An application as Django's is: it asks for a thread of the request's own, and answers in it."""

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        async with ThreadSensitiveContext():
            seen.append(await sync_to_async(view)())

    return KeptThreads(application)


async def test_one_request_after_another_is_answered_in_the_same_thread() -> None:
    seen: list[Any] = []
    application = answering(threading.get_ident, seen)
    for _ in range(3):
        await application({}, None, None)
    assert len(set(seen)) == 1


async def test_requests_at_one_time_are_answered_side_by_side_and_few_threads_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_threads, "KEPT", 2)
    together, seen = threading.Barrier(4), list[Any]()

    def view() -> threading.Thread:
        together.wait(10)
        return threading.current_thread()

    application = answering(view, seen)
    await asyncio.gather(*(application({}, None, None) for _ in range(4)))
    assert len(set(seen)) == 4
    async with asyncio.timeout(10):
        while sum(thread.is_alive() for thread in seen) > 2:  # noqa: ASYNC110 -- a thread tells nobody that it ends
            await asyncio.sleep(0.01)
    assert sum(thread.is_alive() for thread in seen) == 2


async def test_a_thread_is_not_lent_while_it_answers_a_client_that_is_gone() -> None:
    begun, go_on, seen = threading.Event(), threading.Event(), list[Any]()

    def slow() -> int:
        begun.set()
        assert go_on.wait(10)
        return threading.get_ident()

    views = iter([slow, threading.get_ident, threading.get_ident])
    threads: list[int] = []
    application = answering(lambda: threads.append(next(views)()), seen)
    gone = asyncio.create_task(application({}, None, None))
    await asyncio.to_thread(begun.wait, 10)
    gone.cancel()
    await asyncio.wait([gone])
    await asyncio.wait_for(application({}, None, None), 5)
    go_on.set()
    async with asyncio.timeout(10):
        while len(threads) < 2:  # noqa: ASYNC110 -- nobody waits for the first one any more
            await asyncio.sleep(0.01)
    quick, late = threads
    assert quick != late
    await application({}, None, None)
    assert threads[2] in {quick, late}


async def test_an_application_that_fails_gives_its_thread_back() -> None:
    def view() -> None:
        raise ValueError(threading.get_ident())

    application = answering(view, [])
    found = set()
    for _ in range(2):
        with pytest.raises(ValueError) as error:  # noqa: PT011 -- what it says is a number
            await application({}, None, None)
        found.add(error.value.args)
    assert len(found) == 1


def test_django_is_behind_it() -> None:
    assert isinstance(asgi.application.application_mapping["http"], KeptThreads)
