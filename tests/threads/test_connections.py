import time
from typing import Any

import pytest
import redis

from threads.connections import async_client


async def test_a_stream_is_not_held_while_redis_is_away(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    client = async_client()
    begun = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        await client.ping()
    assert time.monotonic() - begun < 0.3
    await client.aclose()
