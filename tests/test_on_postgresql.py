"""The unit tests again, on a PostgreSQL of their own: races and constraints behave differently there."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.db import connection

from tests.product import ROOT
from tests.servers import postgresql


@pytest.mark.timeout(1200)
@pytest.mark.skipif(connection.vendor == "postgresql", reason="this is the inner run")
def test_the_unit_tests_pass_on_postgresql() -> None:
    with tempfile.TemporaryDirectory(prefix="polyphony-pg-", dir="/tmp") as folder, postgresql(Path(folder)) as address:
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/threads", "tests/runs"]
        inner = subprocess.run(
            command,
            cwd=ROOT,
            env={**environment, "TEST_DATABASE_URL": address},
            capture_output=True,
            text=True,
            check=False,
        )
    assert inner.returncode == 0, inner.stdout[-8000:] + inner.stderr[-2000:]
