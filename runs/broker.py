"""The way to the broker for small messages: it gives up soon, since the rows are the outbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any

from celery import current_app
from celery.app.amqp import AMQP
from celery.backends.redis import RedisBackend
from kombu import Producer, pools
from kombu.exceptions import KombuError
from kombu.transport import TRANSPORT_ALIASES, redis

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


class _Channel(redis.Channel):
    """Kombu's way to Redis with one client: it makes one for each message, which costs more than to send that."""

    @cached_property
    def _kept(self) -> Any:
        return self._create_client()  # type: ignore[attr-defined]  # the stubs lack it

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """The client."""
        yield client or self._kept


class Transport(redis.Transport):
    """Kombu's, with our channels."""

    Channel = _Channel


TRANSPORT_ALIASES["polyphony"] = f"{__name__}:{Transport.__name__}"


@cache
def _producers() -> pools.ProducerPool:
    """Apart from the connections on which a worker waits for messages, which must wait longer."""
    options = {**TIMEOUTS, "max_retries": 0}
    connection = current_app.connection_for_write(_address(), transport_options=options)
    producers: pools.ProducerPool = pools.producers[connection]
    return producers


def _address() -> str:
    """The broker's, by way of our transport; over TCP or TLS by way of kombu's own, which takes the scheme's place."""
    address: str = current_app.conf.broker_url
    return address.replace("redis+socket://", "polyphony+socket://", 1)
