"""One copy of the product for each database; the faults are inflicted on it one after another."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.faults.place import Place, a_place

Places = Callable[[str], Place]


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """The copy over a database, by its name."""
    with ExitStack() as stack:

        @cache
        def place(database: str) -> Place:
            return stack.enter_context(a_place(tmp_path_factory.mktemp(f"faults-{database}"), database))

        yield place


@pytest.fixture
def place(places: Places, database: str) -> Place:
    """The copy over the database that the test names in its parameters."""
    return places(database)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A scene may take long on a machine that is busy with other things."""
    for item in items:
        if "places" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(240))
