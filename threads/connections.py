"""Connections to Redis: one synchronous client a process, one asynchronous client an event loop."""

import asyncio
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from threads.breaker import Breaker, NotTried

ANSWER_TIMEOUT = 1.0
"""Seconds. Redis answers in less than a millisecond, and a request that starts a run should take 3 s at most with Redis
frozen: one caller waits this long, and :data:`REDIS` keeps the rest of them from waiting too."""
CONNECT_TIMEOUT = 0.5
TIMEOUTS: dict[str, Any] = {"socket_timeout": ANSWER_TIMEOUT, "socket_connect_timeout": CONNECT_TIMEOUT}
"""How every connection of ours gives up."""

_ONCE_MORE = (NoBackoff(), 1, (redis.ConnectionError,))
"""A pooled connection may have died with an earlier Redis, so another one is tried, at once. A timeout is not tried
again: it would take as long. (redis-py's own default waits longer and longer, and would hold every stream.)"""
ASYNC_OPTIONS: dict[str, Any] = {"retry": AsyncRetry(*_ONCE_MORE), **TIMEOUTS}
"""The options of an asynchronous connection."""

REDIS = Breaker("Redis", redis.ConnectionError, redis.TimeoutError, OperationalError, OSError)
"""Stands before every call whose effect may be lost: events, live text, messages to the broker."""
LOST = (redis.RedisError, NotTried)
"""What such a call raises when its effect is lost."""

_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis] = WeakKeyDictionary()


@cache
def sync_client() -> redis.Redis:
    """For actions: gives up soon, since nothing may depend on what it sends."""
    return redis.Redis.from_url(settings.REDIS_URL, retry=Retry(*_ONCE_MORE), **TIMEOUTS)


def async_client() -> redis.asyncio.Redis:
    """For the running event loop: a client belongs to the loop in which it was made."""
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        _by_loop[loop] = redis.asyncio.Redis.from_url(settings.REDIS_URL, **ASYNC_OPTIONS)
    return _by_loop[loop]


def cancelled() -> bool:
    """Whether somebody cancelled this task.

    A task that talks to Redis until it is cancelled must ask: in Python 3.11 ``wait_for``, with which redis-py sends,
    may swallow a cancellation that comes at the moment in which it is done.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
