"""What every test stands on: a Valkey of its own, and settings that lead to no vendor and to no other copy's data.

Django reads its settings once, so both must stand before pytest-django sets Django up. It does so after the conftests
of the command line are imported when nothing else names the settings; that is why this file names them, and
pyproject.toml does not.
"""

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django
import hypothesis
import pytest
from django.conf import settings
from django.utils import translation

from tests.servers import valkey

if "chatproject.settings" in sys.modules:
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE and leave --ds out: tests/conftest.py chooses the settings.")

hypothesis.settings.register_profile("any-machine", deadline=None)  # no test is about time
hypothesis.settings.load_profile("any-machine")

_servers = ExitStack()
_folder = Path(tempfile.mkdtemp(prefix="polyphony-tests-", dir="/tmp"))
_servers.callback(shutil.rmtree, _folder, ignore_errors=True)

# Empty means unset, and unlike a variable that is not there it is not filled in from a .env file.
ELSEWHERE = (
    "OPENAI_API_KEY OPENAI_BASE_URL ANTHROPIC_API_KEY ANTHROPIC_BASE_URL COMPATIBLE_PROVIDERS LOCAL_MODEL_URL",
    "MODELS_FILE SECRET_KEY DEBUG HTTPS SIGN_UP ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS PUBLIC_URL HOST PORT",
    "PROMPT_MAX_CHARS MODELS_PER_RUN_MAX ATTEMPTS_MAX LEASE_SECONDS RUN_TIMEOUT",
)
os.environ.update(dict.fromkeys(" ".join(ELSEWHERE).split(), ""))
os.environ.update(
    DJANGO_SETTINGS_MODULE="chatproject.settings",
    VAR_DIR=str(_folder),
    REDIS_URL=_servers.enter_context(valkey(_folder)),
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", ""),
    DEMO="on",
)
(_folder / "static").mkdir()
django.setup()
del os.environ["DJANGO_SETTINGS_MODULE"]  # a worker of pytest-xdist chooses here too, and has servers of its own
# The real hash of a password takes a third of a second, on purpose; the real static files are named after their content
# by collectstatic.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-faults", action="store_true", help="tests/faults: each fault at each point, on each database"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest begins first; on another database only those run that ask it."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)
    if os.environ.get("TEST_DATABASE_URL"):
        elsewhere = [item for item in items if not _asks_the_database(item)]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


def _asks_the_database(item: pytest.Item) -> bool:
    names: list[str] = getattr(item, "fixturenames", [])
    return "db" in names or "transactional_db" in names or item.get_closest_marker("django_db") is not None


def pytest_unconfigure() -> None:
    """The servers end with the session."""
    from threads.connections import sync_client

    sync_client().close()
    _servers.close()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite in a file, as the product has it: Django's usual test database in memory cannot serve several threads."""
    database: dict[str, Any] = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite"):
        database.setdefault("TEST", {})["NAME"] = str(_folder / "tests.sqlite3")
        database["OPTIONS"]["connections"] = 40  # tests race with more threads than a process has connections


@pytest.fixture(autouse=True)
def nothing_known_of_the_past() -> None:
    """A test in which something was away costs the next one nothing, and one that asked in German asks for no other."""
    from runs.consumers import DATABASE
    from threads.connections import REDIS

    for breaker in (DATABASE, REDIS):
        breaker.reset()
    translation.deactivate()


@pytest.fixture
def redis_flushed() -> None:
    """A broker, a layer and live texts without anything of an earlier test."""
    from threads.connections import sync_client

    sync_client().flushdb()


@pytest.fixture
def ada(db: None) -> Any:
    """A person."""
    from django.contrib.auth.models import User

    return User.objects.create_user("ada", password="a long pass phrase")


@pytest.fixture
def bob(db: None) -> Any:
    """Another person."""
    from django.contrib.auth.models import User

    return User.objects.create_user("bob", password="a long pass phrase")
