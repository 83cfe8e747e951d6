"""The promise of ``make run``: all of it runs, dies together, and leaves nothing behind."""

import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest
import redis

from tests.chatproject.run.supervised import SLEEPER, WEB, gone, supervised, wait

STUBBORN = 'stubborn: python -c "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"\n'
FAMILY = "family: sh -c 'sleep 601 & sleep 602'\n"


def test_it_says_one_line_when_the_page_answers(tmp_path: Path) -> None:
    with supervised(tmp_path) as run:
        ready = run.says("Ready: ")
        assert f"http://127.0.0.1:{run.port}/ (broker: embedded Valkey, database: SQLite)" in ready
        with socket.create_connection(("127.0.0.1", run.port)):
            pass


def test_other_commands_of_the_folder_find_its_broker(tmp_path: Path) -> None:
    with supervised(tmp_path) as run:
        run.says("Ready: ")
        note = run.var_dir / "redis.url"
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        url = note.read_text()
        home = Path(url.removeprefix("unix://")).parent
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        with redis.Redis.from_url(url) as client:
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
            assert client.config_get("appendonly")["appendonly"] == "yes"
        run.process.send_signal(signal.SIGINT)
        run.process.wait(5)
        assert not note.exists()
        assert not home.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_within_five_seconds(tmp_path: Path, number: signal.Signals) -> None:
    with supervised(tmp_path, WEB + FAMILY + STUBBORN) as run:
        run.says("Ready: ")
        children = run.children()
        assert len(children) >= 6  # these, their children, the broker and the guardian
        begun = time.monotonic()
        run.process.send_signal(number)
        assert run.process.wait(10) == 0
        assert time.monotonic() - begun < 5
        assert gone(children)


def test_a_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    with supervised(tmp_path, WEB + STUBBORN) as run:
        run.says("Ready: ")
        begun = time.monotonic()
        run.process.send_signal(signal.SIGINT)
        run.says("Stopping")
        time.sleep(0.2)
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(10) == 0
        assert time.monotonic() - begun < 2


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path, WEB + SLEEPER + FAMILY + STUBBORN) as run:
        run.says("Ready: ")
        children = run.children()
        home = Path((run.var_dir / "redis.url").read_text().removeprefix("unix://")).parent
        run.process.kill()
        assert wait(lambda: gone(children), 6)
        assert not home.exists()
        assert not (run.var_dir / "redis.url").exists()


def test_nothing_outlives_a_supervisor_that_was_killed_while_starting(tmp_path: Path) -> None:
    many = "".join(SLEEPER.replace("sleeper", f"sleeper-{number}") for number in range(20))
    for moment in (0.25, 0.35, 0.5):
        with supervised(tmp_path, many) as run:
            time.sleep(moment)
            run.process.kill()
            children = run.children()
            run.process.wait()
            assert wait(lambda children=children: gone(children), 6)  # type: ignore[misc]


def test_a_new_run_can_start_right_after_a_kill(tmp_path: Path) -> None:
    with supervised(tmp_path, WEB + STUBBORN) as run:
        run.says("Ready: ")
        run.process.kill()
        with supervised(tmp_path, VAR_DIR=str(run.var_dir), PORT=str(run.port)) as another:
            another.says("Ready: ")


def test_a_killed_guardian_is_replaced_and_knows_everything(tmp_path: Path) -> None:
    with supervised(tmp_path) as run:
        run.says("Ready: ")
        first = run.child("guardian.py")
        os.kill(first, signal.SIGKILL)
        assert wait(lambda: any("guardian.py" in words and pid != first for pid, words in run.children().items()))
        children = run.children()
        run.process.kill()
        assert wait(lambda: gone(children), 6)


@pytest.mark.parametrize("words", ["http.server", "time.sleep", "valkey-server"])
def test_what_dies_is_started_again(tmp_path: Path, words: str) -> None:
    with supervised(tmp_path) as run:
        run.says("Ready: ")
        first = run.child(words)
        os.kill(first, signal.SIGKILL)
        assert "was ended by SIGKILL; it starts again in 0.5 s" in run.says("starts again")
        assert wait(lambda: any(words in command and pid != first for pid, command in run.children().items()))


def test_what_dies_at_once_is_started_less_and_less_often(tmp_path: Path) -> None:
    with supervised(tmp_path, WEB + "broken: python -c 'raise SystemExit(3)'\n") as run:
        run.says("broken ended with code 3; it starts again in 0.5 s")
        run.says("broken ended with code 3; it starts again in 1 s")
        run.says("broken ended with code 3; it starts again in 2 s")


def test_what_it_hears_stands_behind_the_name(tmp_path: Path) -> None:
    speaker = """speaker: python -c "print('one'); print('two', end=''); import time; time.sleep(600)"\n"""
    last = """last: python -c "print('last words', end='')"\n"""
    with supervised(tmp_path, speaker + last) as run:
        run.says("speaker     | one")
        run.says("last        | last words")


def test_the_release_line_runs_first_and_gives_the_link(tmp_path: Path) -> None:
    release = f"""release: python -c "open('{tmp_path}/done', 'w'); print('/sign-in/1/token/')"\n"""
    with supervised(tmp_path, WEB + release) as run:
        assert f"http://127.0.0.1:{run.port}/sign-in/1/token/ (signs you in once" in run.says("Ready: ")
        assert (tmp_path / "done").exists()


def test_a_release_that_fails_ends_the_start_with_its_words(tmp_path: Path) -> None:
    with supervised(
        tmp_path, WEB + "release: python -c 'raise SystemExit(\"CommandError: Water the plants.\")'\n"
    ) as run:
        assert run.process.wait(10) == 1
        assert run.says("plants") == "Water the plants.\n"
        assert not any("Ready" in line for line in run.lines)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with supervised(tmp_path, PORT=str(port)) as run:
            assert run.process.wait(10) == 1
            assert run.says("taken").startswith(f"Port {port} of 127.0.0.1 is taken by another program. Choose another")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "http", "PORT must be a whole number from 1 to 65535."),
        ("PORT", "65536", "PORT must be a whole number from 1 to 65535."),
        ("HOST", "256.1.1.1", "HOST=256.1.1.1 is not an address of this machine."),
        ("REDIS_URL", "localhost:6379", "REDIS_URL must be an address"),
        ("PUBLIC_URL", "chat.example.org", "PUBLIC_URL must be an address"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: str, words: str) -> None:
    with supervised(tmp_path, **{name: value}) as run:
        assert run.process.wait(10) == 1
        assert run.says(words)


def test_a_second_run_of_the_same_folder_is_refused(tmp_path: Path) -> None:
    with supervised(tmp_path) as run:
        run.says("Ready: ")
        with supervised(tmp_path, VAR_DIR=str(run.var_dir)) as second:
            assert second.process.wait(10) == 1
            assert second.says("This folder runs already")
        assert run.process.poll() is None


def test_runs_of_two_folders_live_beside_each_other(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with supervised(tmp_path / "one") as one, supervised(tmp_path / "two") as two:
        one.says("Ready: ")
        two.says("Ready: ")


def test_a_deep_folder_with_spaces_in_its_name_will_do(tmp_path: Path) -> None:
    deep = tmp_path / ("a long name " * 10) / ("another one " * 10)
    deep.mkdir(parents=True)
    with supervised(deep) as run:
        run.says("Ready: ")


def test_the_redis_of_the_environment_comes_first(tmp_path: Path) -> None:
    with supervised(tmp_path, REDIS_URL="redis://127.0.0.1:1/0") as run:
        assert "broker: the Redis of REDIS_URL" in run.says("Ready: ")
        assert not any("valkey-server" in words for words in run.children().values())


def test_the_supervisor_is_small(tmp_path: Path) -> None:
    with supervised(tmp_path) as run:
        run.says("Ready: ")
        status = Path(f"/proc/{run.process.pid}/status")
        if not status.exists():
            pytest.skip("this system has no /proc to ask")
        kilobytes = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        assert kilobytes < 40_000
