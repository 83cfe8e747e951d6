"""``make run`` with the Procfile that is shipped."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.chatproject.run.supervised import NEUTRAL, Supervised, gone, supervised
from tests.product import ROOT, free_port

PROCFILE = (ROOT / "Procfile").read_text()


def link_of(run: Supervised) -> str:
    found = re.search(r"http://\S+/sign-in/\S+", run.says("Ready: ", 60))
    assert found
    return found[0]


def test_a_stranger_opens_the_link_and_is_in(tmp_path: Path) -> None:
    with supervised(tmp_path, PROCFILE) as run:
        link = link_of(run)
        with httpx2.Client(follow_redirects=True) as browser:
            page = browser.get(link)
            assert page.status_code == 200
            assert "owner" in page.text
        assert httpx2.get(link).status_code == 403
        ready = httpx2.get(f"http://127.0.0.1:{run.port}/readyz")
        assert ready.json() == {"status": "ready", "database": "answers", "redis": "answers"}

        children = run.children()
        begun = time.monotonic()
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(10) == 0
        assert time.monotonic() - begun < 5
        assert gone(children)


def test_a_second_start_is_quick_and_keeps_everything(tmp_path: Path) -> None:
    for number in (1, 2):
        begun = time.monotonic()
        with supervised(tmp_path, PROCFILE) as run:
            link_of(run)
            took = time.monotonic() - begun
        assert number == 1 or took < 25  # 2 to 3 s on an idle machine
    with sqlite3.connect(run.var_dir / "polyphony.sqlite3") as database:
        assert database.execute("SELECT username FROM auth_user").fetchall() == [("owner",)]
    database.close()


def test_a_redis_that_does_not_answer_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with supervised(tmp_path, PROCFILE, REDIS_URL="redis://127.0.0.1:1/0") as run:
        assert run.process.wait(30) == 1
        assert run.says("The Redis of REDIS_URL does not answer")
        assert not any("Traceback" in line for line in run.lines)


def test_a_wrong_setting_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with supervised(tmp_path, PROCFILE, LEASE_SECONDS="soon") as run:
        assert run.process.wait(30) == 1
        assert run.says("LEASE_SECONDS must be a number of seconds")
        assert not any("Traceback" in line for line in run.lines)


def test_everything_ends_with_the_make_that_started_it(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("sleeper: sleep 600\n")
    command = [sys.executable, "-m", "chatproject.run", "--procfile", str(procfile), "--stop-with-parent"]
    started = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", started, *command],
        cwd=ROOT,
        env={**os.environ, **NEUTRAL, "VAR_DIR": str(tmp_path / "var"), "PORT": str(free_port())},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        assert "Ready" in parent.stdout.readline()
        parent.kill()
        assert parent.stdout.read() == "Stopping.\n"  # the end of its output is the end of the supervisor
