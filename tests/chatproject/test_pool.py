"""Whoever waits for a connection is given one as soon as the server is back."""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from psycopg_pool import ConnectionPool

from chatproject.pool import GIVE_UP, try_again
from tests.servers import PostgreSQL


def test_who_waits_while_a_server_is_away_is_given_a_connection_when_it_is_back() -> None:
    with tempfile.TemporaryDirectory(prefix="polyphony-pg-", dir="/tmp") as folder, PostgreSQL(Path(folder)) as server:
        words = server.address.replace("postgres://", "postgresql://")
        options: dict[str, Any] = {"reconnect_timeout": GIVE_UP, "reconnect_failed": try_again, "timeout": 15}
        with ConnectionPool(
            words, min_size=1, max_size=4, open=True, check=ConnectionPool.check_connection, **options
        ) as pool:
            pool.wait(10)
            server.stop()
            got: list[str] = []
            waiting = threading.Thread(target=lambda: got.append(_asked(pool)))
            waiting.start()
            time.sleep(3 * GIVE_UP)
            assert not got
            server.start()
            waiting.join(5)
            assert got == ["1"]


def _asked(pool: "ConnectionPool[Any]") -> str:
    with pool.connection() as connection:
        return str(connection.execute("SELECT 1").fetchone()[0])
