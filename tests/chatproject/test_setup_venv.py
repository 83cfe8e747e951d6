"""The set-up that every make target begins with, on a bare Python, with a lock that names nothing."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.parts import need
from tests.product import ROOT

BASE = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder that holds the set-up and nothing else."""
    need(find_spec("ensurepip"), "python3-venv is not installed")
    (tmp_path / "chatproject").mkdir()
    shutil.copy(ROOT / "chatproject" / "setup_venv.py", tmp_path / "chatproject")
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    return tmp_path


def set_up(copy: Path, python: str = str(BASE), uv: str = "") -> subprocess.CompletedProcess[str]:
    programs = copy / "programs"
    programs.mkdir(exist_ok=True)
    if uv:
        (programs / "uv").write_text(uv)
        (programs / "uv").chmod(0o755)
    return subprocess.run(
        [python, "-I", "chatproject/setup_venv.py", "requirements.txt"],
        cwd=copy,
        env={**os.environ, "PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_makes_an_environment_once_and_mends_a_half_made_one(copy: Path) -> None:
    assert "Installing requirements.txt" in set_up(copy).stderr
    assert (copy / ".venv/installed/requirements.txt").read_text() == "# nothing\n"
    assert set_up(copy, ".venv/bin/python").stderr == ""

    (copy / ".venv/unfinished").touch()
    (copy / ".venv/leftover").touch()
    assert "Installing" in set_up(copy, ".venv/bin/python").stderr
    assert not (copy / ".venv/leftover").exists()

    (copy / "requirements.txt").write_text("# something else\n")
    assert "Installing" in set_up(copy).stderr
    assert set_up(copy).stderr == ""


def test_it_goes_on_with_pip_when_uv_does_not_work(copy: Path) -> None:
    done = set_up(copy, uv="#!/bin/sh\necho a wall of warnings >&2\nexit 2\n")
    assert done.returncode == 0
    assert "wall" not in done.stderr
    assert (copy / ".venv/bin/pip").exists()


def test_a_package_that_cannot_be_installed_ends_it_with_the_words_of_pip(copy: Path) -> None:
    (copy / "requirements.txt").write_text("./nowhere\n")
    done = set_up(copy)
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "pip could not install the packages" in done.stderr
    assert (copy / ".venv/unfinished").exists()


def test_make_says_what_it_can_do() -> None:
    need(shutil.which("make"), "make is not installed")
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "fix", "check", "bench", "local-model", "lock", "clean"):
        assert f"make {target} " in shown
