import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatproject import env, places
from tests.product import ROOT


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("maybe", lambda: env.flag("SAMPLE", default=False)),
        ("many", lambda: env.number("SAMPLE", 1)),
        ("0", lambda: env.number("SAMPLE", 1)),
        ("-1", lambda: env.seconds("SAMPLE", 1)),
        ("nan", lambda: env.seconds("SAMPLE", 1)),
        ("loud", lambda: env.choice("SAMPLE", "info", ("debug", "info"))),
        ("localhost:6379", lambda: env.url("SAMPLE", "", ("redis",))),
        ("mysql://u:secret@h/d", lambda: env.database("SAMPLE", "sqlite:///x")),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_repeated(
    monkeypatch: pytest.MonkeyPatch, value: str, read: Callable[[], object]
) -> None:
    monkeypatch.setenv("SAMPLE", value)
    with pytest.raises(
        ImproperlyConfigured, match=r"^SAMPLE must be .*\. Correct its value and start again\.$"
    ) as error:
        read()
    assert "secret" not in str(error.value)


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE", " ")
    assert env.number("SAMPLE", 7) == 7
    assert env.flag("SAMPLE", default=True)
    assert env.url("SAMPLE", "", ("redis",)) == ""


def test_a_value_may_begin_with_a_dollar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE", "$ecret")
    assert env.text("SAMPLE") == "$ecret"


def test_a_file_gives_what_the_environment_does_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PLAIN", "HASH", "QUOTED", "SINGLE", "EXPORTED", "NOTHING"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("TAKEN", "by the environment")
    path = tmp_path / ".env"
    path.write_text(
        "# a comment\n\nPLAIN=http://x/v1   # any server\nHASH=abc#def\nQUOTED=\"a # b\"\nSINGLE='c'\n"
        "export EXPORTED=1\nNOTHING=\nTAKEN=by the file\n"
    )
    env.load_file(path)
    values = [os.environ[name] for name in ("PLAIN", "HASH", "QUOTED", "SINGLE", "EXPORTED", "NOTHING", "TAKEN")]
    assert values == ["http://x/v1", "abc#def", "a # b", "c", "1", "", "by the environment"]


def test_a_line_that_is_no_assignment_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# fine\nOPENAI_API_KEY: sk-secret\n")
    with pytest.raises(ImproperlyConfigured, match=r"^\.env, line 2: ") as error:
        env.load_file(path)
    assert "secret" not in str(error.value)


def test_the_broker_of_a_dead_run_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "redis.url").write_text(f"unix://{tmp_path}/gone.sock")
    assert places.running_broker(tmp_path) == ""
    (tmp_path / "gone.sock").touch()
    assert places.running_broker(tmp_path).endswith("gone.sock")


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:81"), ("0.0.0.0", "http://127.0.0.1:81"), ("::1", "http://[::1]:81")],
)
def test_the_public_address_follows_host_and_port(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("HOST", host)
    monkeypatch.setenv("PORT", "81")
    assert places.public_url() == url
    monkeypatch.setenv("PUBLIC_URL", "https://chat.example.org/")
    assert places.public_url() == "https://chat.example.org"
    assert "chat.example.org" in places.known_hosts()


@pytest.mark.parametrize(
    "values", [{"RUN_TIMEOUT": "100", "SYNTHESIS_TIMEOUT": "180"}, {"LEASE_SECONDS": "2", "CHECKPOINT_SECONDS": "1"}]
)
def test_values_that_contradict_each_other_stop_the_start(values: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "check"]
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **values}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert all(name in result.stderr for name in values)
    assert "Traceback" not in result.stderr
