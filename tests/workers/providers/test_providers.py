import subprocess
import sys

import pytest

from workers.providers import open_provider
from workers.providers.base import Reach


def test_an_unknown_kind_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        open_provider(Reach("X", "telepathy"))


def test_finding_providers_imports_no_sdk() -> None:
    code = (
        "import sys; from workers.providers import open_provider; from workers.providers.base import Reach;"
        "open_provider(Reach('Demo', 'demo'));"
        "print({'openai', 'anthropic', 'httpx2', 'aiohttp', 'django'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "set()\n"
