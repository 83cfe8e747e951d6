"""The way to the broker for small messages: it gives up soon, since the rows are the outbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from celery import current_app
from celery.app.amqp import AMQP
from celery.backends.redis import RedisBackend
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


class Messages(AMQP):
    """Celery's own sending, with the same producers: what a chord sends gives up as soon."""

    @property
    def producer_pool(self) -> pools.ProducerPool:
        """Those of this process."""
        return _producers()


class Results(RedisBackend):
    """Celery's results, by which a chord counts. Nobody here waits for one.

    For whoever might, Celery listens to the result of each task of a chord that it sends, and forgets none of them:
    6 KB a run in the process that sends it, and three subscriptions at Redis that nobody reads.
    """

    def on_task_call(self, producer: Producer, task_id: str) -> None:
        """Listen to nothing."""

    def add_pending_result(self, result: Any, *_how: bool, **_options: bool) -> Any:
        """Keep nothing."""
        return result

    def remove_pending_result(self, result: Any) -> Any:
        """Nothing was kept."""
        return result


@cache
def _producers() -> pools.ProducerPool:
    """Apart from the connections on which a worker waits for messages, which must wait longer."""
    options = {**TIMEOUTS, "max_retries": 0}
    producers: pools.ProducerPool = pools.producers[current_app.connection_for_write(transport_options=options)]
    return producers
