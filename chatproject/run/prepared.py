"""Was exactly this code released here before? Then the page need not wait for a release that has nothing to do."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

NAME = "released"
ASIDE = {"tests", "bench", "docs", "var"}


def already(base_dir: Path, var_dir: Path, environment: Mapping[str, str]) -> bool:
    """Whether the last release of this folder was of this code, into this database."""
    note = var_dir / NAME
    return note.is_file() and note.read_text() == _fingerprint(base_dir, var_dir, environment)


def remember(base_dir: Path, var_dir: Path, environment: Mapping[str, str]) -> None:
    """Note what was released."""
    (var_dir / NAME).write_text(_fingerprint(base_dir, var_dir, environment))


def _fingerprint(base_dir: Path, var_dir: Path, environment: Mapping[str, str]) -> str:
    found = hashlib.sha256(environment.get("DATABASE_URL", "").encode())
    for path in sorted([*_files(base_dir), *var_dir.glob("*.sqlite3")]):
        status = path.stat()
        # Of the database only its presence counts, of the code every change.
        found.update(f"{path} {status.st_ino if path.parent == var_dir else status.st_mtime_ns}\n".encode())
    found.update(str((var_dir / "static" / "staticfiles.json").is_file()).encode())
    return found.hexdigest()


def _files(base_dir: Path) -> Iterator[Path]:
    """The code, its templates, static files and migrations, and what it is installed with."""
    yield base_dir / "requirements.txt"
    for name in os.listdir(base_dir):  # noqa: PTH208 -- names are what is asked for
        if name not in ASIDE and (base_dir / name / "__init__.py").is_file():
            yield from (path for path in (base_dir / name).rglob("*") if path.suffix != ".pyc" and path.is_file())
