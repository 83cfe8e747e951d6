"""The pool of connections to PostgreSQL."""

from typing import Any

from psycopg_pool import ConnectionPool

GIVE_UP = 1
"""Seconds for which the pool tries to open one connection. Left alone it would try in longer and longer intervals, up
to minutes after the server is back."""


def try_again(pool: "ConnectionPool[Any]") -> None:
    """Begin anew as long as somebody waits: the pool itself would only when the next one asks."""
    if pool.get_stats()["requests_waiting"]:
        pool.check()
