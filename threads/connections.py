"""Connections to Redis: one synchronous client a process, one asynchronous client an event loop."""

import asyncio
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

_TIMEOUTS: dict[str, Any] = {"socket_timeout": 2.0, "socket_connect_timeout": 0.5}
# redis-py's own default waits longer and longer before it tries again: that would hold every stream of a process.
ASYNC_OPTIONS: dict[str, Any] = {"retry": AsyncRetry(NoBackoff(), 1), **_TIMEOUTS}
"""How an asynchronous connection gives up: soon, after one more try at once."""

_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis] = WeakKeyDictionary()


@cache
def sync_client() -> redis.Redis:
    """For actions: gives up soon, since nothing may depend on what it sends."""
    return redis.Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 1), **_TIMEOUTS)


def async_client() -> redis.asyncio.Redis:
    """For the running event loop: a client belongs to the loop in which it was made."""
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        _by_loop[loop] = redis.asyncio.Redis.from_url(settings.REDIS_URL, **ASYNC_OPTIONS)
    return _by_loop[loop]
