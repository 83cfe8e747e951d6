"""Install hash-locked requirements into ``.venv``; used by the Makefile, on a bare Python 3.11 or newer.

    python3 -I chatproject/setup_venv.py requirements.txt [another lock ...]

A copy of each installed lock is kept inside ``.venv``, so a second call only compares files. An install that was
interrupted leaves its mark, and the next call begins afresh. uv is used when it works, pip when not.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
VENV = BASE_DIR / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "installed"
UNFINISHED = VENV / "unfinished"


class CannotInstall(Exception):
    """Says what is missing and what to do."""


def main(locks: list[str]) -> None:
    """Bring ``.venv`` up to date with every named lock."""
    usable = _usable()
    missing = [lock for lock in locks if not (usable and _installed(lock))]
    if not missing:
        return
    _leave_the_venv()
    _say(f"Installing {', '.join(missing)} into .venv with Python {sys.version.split()[0]}.")
    if not usable:
        _clear()
    if not _with_uv(missing):
        if not _has_pip():
            _make_with_venv()
            missing = locks
        _with_pip(missing)
    UNFINISHED.unlink()
    for lock in missing:
        _stamp(lock).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BASE_DIR / lock, _stamp(lock))


def _usable() -> bool:
    """Whether there is a whole environment of this very Python version."""
    if UNFINISHED.exists() or not PYTHON.exists():
        return False
    if sys.prefix == str(VENV):
        return True
    test = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    return _quietly([str(PYTHON), "-I", "-c", test])


def _installed(lock: str) -> bool:
    stamp = _stamp(lock)
    return stamp.is_file() and stamp.read_bytes() == (BASE_DIR / lock).read_bytes()


def _stamp(lock: str) -> Path:
    return STAMPS / lock


def _leave_the_venv() -> None:
    """Go on with the Python that the environment was made from, since the environment may have to be made anew."""
    if sys.prefix != sys.base_prefix:
        base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
        os.execv(base, [str(base), "-I", *sys.argv])  # noqa: S606 -- no shell is wanted


def _with_uv(locks: list[str]) -> bool:
    """Install with uv; whether that worked. It can be there and yet fail, beside pyenv for example."""
    uv = shutil.which("uv")
    if not uv:
        return False
    if not PYTHON.exists() and not _quietly([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)]):
        return False
    UNFINISHED.touch()
    install = [uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--no-deps", "--require-hashes"]
    if _quietly([*install, *_files(locks)]):
        return True
    _say("uv could not install them; trying pip.")
    _clear()
    return False


def _has_pip() -> bool:
    return PYTHON.exists() and _quietly([str(PYTHON), "-m", "pip", "--version"])


def _with_pip(locks: list[str]) -> None:
    UNFINISHED.touch()
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command = [*pip, "--no-deps", "--require-hashes", *_files(locks)]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, cwd=BASE_DIR)  # noqa: S603
    if done.returncode:
        raise CannotInstall(f"{done.stderr}\npip could not install the packages; its own words stand above.")


def _make_with_venv() -> None:
    if not (find_spec("venv") and find_spec("ensurepip")):
        raise CannotInstall(
            f"{sys.executable} cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv"
            " (or install uv). Then try again."
        )
    _clear()
    if subprocess.run([sys.executable, "-I", "-m", "venv", str(VENV)], check=False).returncode:  # noqa: S603
        raise CannotInstall(f"{sys.executable} could not make a virtual environment in {VENV}; see above.")


def _clear() -> None:
    if VENV.exists():
        shutil.rmtree(VENV)


def _files(locks: list[str]) -> list[str]:
    return [word for lock in locks for word in ("-r", str(BASE_DIR / lock))]


def _quietly(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True, cwd=BASE_DIR).returncode == 0  # noqa: S603


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CannotInstall as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)
