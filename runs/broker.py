"""The way to the broker for small messages: it gives up soon, since the rows are the outbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from celery import current_app
from kombu import Producer, pools
from kombu.exceptions import KombuError

from threads.connections import ANSWER_TIMEOUT, LOST, REDIS, TIMEOUTS, sync_client

NOT_SENT = (*LOST, KombuError, OSError)
"""What sending may raise when the broker is away."""


def answers() -> bool:
    """Whether it is worth beginning what needs several messages."""
    try:
        with REDIS.trying():
            return bool(sync_client().ping())
    except LOST:
        return False


@contextmanager
def producer() -> Iterator[Producer]:
    """A producer of the pool, for as long as it takes to send.

    The waiting for it ends too: with Redis frozen, the first callers hold all of them. Who gets one then asks whether
    to try at all.
    """
    with _producers().acquire(block=True, timeout=ANSWER_TIMEOUT) as free, REDIS.trying():
        yield free


@cache
def _producers() -> pools.ProducerPool:
    """Apart from Celery's own pool, whose connections wait longer, as those of a worker must."""
    options = {**TIMEOUTS, "max_retries": 0}
    producers: pools.ProducerPool = pools.producers[current_app.connection_for_write(transport_options=options)]
    return producers
