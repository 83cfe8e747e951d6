"""A thief at the broker: takes task messages before any worker sees them, and loses, doubles or keeps them.

Redis serves those who have waited longest. A worker asks anew each second, so a thief that just waits comes first. What
it lets pass it hands on through the queue of another priority, where it does not listen itself.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.faults.place import Place

TASKS = ("polyphony.generate", "polyphony.synthesize")
QUEUE = "celery"
BESIDE = "celery\x06\x163"
"""The same queue to a worker: kombu keeps priorities apart in this way."""
HANDS = 12
"""How many messages can be taken in one moment."""
WORKERS_ASK_EVERY = 1.0
"""Seconds, in kombu."""

Treatment = Callable[["Thief", bytes], None]


def lose(_thief: "Thief", _message: bytes) -> None:
    """It never arrives."""


def double(thief: "Thief", message: bytes) -> None:
    """It arrives twice."""
    thief.put(message)
    thief.put(message)


def keep(thief: "Thief", message: bytes) -> None:
    """It arrives in time, and a copy of it may come later."""
    thief.put(message)
    thief.kept.append(message)


def late(thief: "Thief", message: bytes) -> None:
    """It arrives in time, and again after a while."""
    thief.put(message)
    threading.Timer(random.uniform(1, 20), thief.put, [message]).start()


class Thief:
    """Treats the messages of one task in one way, and lets the others pass; use it as a context."""

    def __init__(self, place: Place, treatment: Treatment, *tasks: str) -> None:
        self.kept: list[bytes] = []
        self.treated: Counter[tuple[str, str]] = Counter()
        self._tasks = tasks
        self._treatment = treatment
        self._place = place
        self._over = threading.Event()
        self._hands: dict[int, threading.Thread] = {}

    def __enter__(self) -> "Thief":
        for _ in range(HANDS):
            # It waits for as long as it takes: whoever connects anew stands at the end of the line.
            path = str(self._place.product.socket)
            options: dict[str, Any] = {"socket_timeout": None, "retry": Retry(NoBackoff(), 0)}
            hand = redis.Redis(unix_socket_path=path, single_connection_client=True, **options)
            self._hands[hand.client_id()] = threading.Thread(target=self._take, args=(hand,), daemon=True)
        for thread in self._hands.values():
            thread.start()
        time.sleep(WORKERS_ASK_EVERY + 0.5)
        return self

    def __exit__(self, *_about: object) -> None:
        self._over.set()
        with suppress(redis.RedisError), self._place.broker() as broker:
            for hand in self._hands:
                broker.client_unblock(hand)
        for thread in self._hands.values():
            thread.join(5)

    def put(self, message: bytes) -> None:
        """Give a message to the workers; with the broker away it is lost."""
        with suppress(redis.RedisError), self._place.broker() as broker:
            broker.lpush(BESIDE, message)

    def _take(self, hand: redis.Redis) -> None:
        with hand, suppress(redis.RedisError):
            while not self._over.is_set():
                found: Any = hand.brpop([QUEUE], timeout=0)
                if found:
                    self._treat(found[1])

    def _treat(self, message: bytes) -> None:
        """Only the first of several messages that say the same: the sweeper's help is let through."""
        decoded = json.loads(message)
        task, about = decoded["headers"]["task"], decoded["headers"]["argsrepr"]
        if task in self._tasks and (task, about) not in self.treated:
            self.treated[task, about] += 1
            self._treatment(self, message)
        else:
            self.put(message)
