"""Every text of ours is there in German, whole and up to date."""

import ast
import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.parts import need
from tests.product import ROOT

MESSAGES = Path("chatproject/locale/de/LC_MESSAGES")
PARTS = ("chatproject", "threads", "runs", "workers")
OPTIONS = "--locale de --no-location --no-wrap --no-obsolete"
PLACES = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}|</?\w+[^>]*>")


class Entry(NamedTuple):
    """One text of a catalogue."""

    text: str
    translation: str
    fuzzy: bool


def entries(catalogue: Path) -> dict[str, Entry]:
    """The texts of a .po file, without its head."""
    found = {}
    for block in catalogue.read_text(encoding="utf-8").split("\n\n"):
        parts: dict[str, list[str]] = {"msgid": [], "msgstr": []}
        part: list[str] = []
        for line in block.splitlines():
            word, _space, rest = line.partition(" ")
            part = parts.get(word, part)
            quoted = rest if word in parts else line
            if quoted.startswith('"'):
                part.append(ast.literal_eval(quoted))
        if text := "".join(parts["msgid"]):
            found[text] = Entry(text, "".join(parts["msgstr"]), bool(re.search("^#,.*fuzzy", block, re.MULTILINE)))
    return found


def test_every_text_of_the_code_is_in_the_catalogue_and_no_other(tmp_path: Path) -> None:
    need(shutil.which("xgettext"), "GNU gettext is not installed (apt install gettext)")
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    command = [sys.executable, "manage.py", "makemessages", *OPTIONS.split()]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    now, stored = entries(tmp_path / MESSAGES / "django.po"), entries(ROOT / MESSAGES / "django.po")
    assert len(now) > 200
    assert set(now) - set(stored) == set(), "run `make messages` and translate what is new"
    assert set(stored) - set(now) == set(), "run `make messages`: these are said no more"


def test_nothing_is_left_untranslated_or_guessed() -> None:
    for entry in entries(ROOT / MESSAGES / "django.po").values():
        assert entry.translation.strip(), entry.text
        assert not entry.fuzzy, entry.text


def test_a_translation_has_the_places_of_its_text() -> None:
    for entry in entries(ROOT / MESSAGES / "django.po").values():
        assert sorted(PLACES.findall(entry.text)) == sorted(PLACES.findall(entry.translation)), entry


def test_what_is_compiled_is_what_is_written() -> None:
    with (ROOT / MESSAGES / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    stored = entries(ROOT / MESSAGES / "django.po")
    assert {text: compiled.gettext(text) for text in stored} == {e.text: e.translation for e in stored.values()}


@pytest.mark.parametrize("pattern", [r">[^<{%]*[A-Za-z]{3}[^<{%]*<", r"(?:aria-label|title|placeholder)=\"[A-Za-z]"])
def test_no_template_says_anything_untranslated(pattern: str) -> None:
    """Between tags and in what is read aloud stand marked texts alone, and the name of the product."""
    for template in [*ROOT.glob("threads/templates/**/*.html"), *ROOT.glob("runs/templates/**/*.html")]:
        text = re.sub(
            r"{% ?blocktrans.*?endblocktrans ?%}|{%.*?%}|{{.*?}}|<!--.*?-->", "", template.read_text(), flags=re.DOTALL
        )
        found = [each for each in re.findall(pattern, text) if each not in {">Polyphony<", "> · Polyphony<"}]
        assert found == [], template
