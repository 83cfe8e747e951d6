"""Program text with its words marked by class, for the stylesheet to colour."""

import re
from functools import lru_cache
from html import escape
from typing import Any

from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

LANGUAGES = frozenset(
    [
        "bash",
        "c",
        "cpp",
        "csharp",
        "css",
        "dart",
        "diff",
        "docker",
        "dockerfile",
        "elixir",
        "go",
        "graphql",
        "haskell",
        "html",
        "http",
        "ini",
        "java",
        "javascript",
        "js",
        "json",
        "jsx",
        "julia",
        "kotlin",
        "latex",
        "lua",
        "matlab",
        "nginx",
        "perl",
        "php",
        "powershell",
        "ps1",
        "py",
        "python",
        "python3",
        "r",
        "rb",
        "rs",
        "ruby",
        "rust",
        "scala",
        "scss",
        "sh",
        "shell",
        "sql",
        "swift",
        "toml",
        "ts",
        "tsx",
        "typescript",
        "xml",
        "yaml",
        "yml",
        "zsh",
        "c++",
        "cs",
        "c#",
        "golang",
    ]
)
"""Lexers that were tried with hostile text: Pygments has hundreds, and one that backtracks would hold up a worker."""
HIGHLIGHT_MAX = 8000
_TIRING = re.compile(r"\s{200}|[^\n]{500}|(?:\n[ \t]*){30}")
"""What makes some lexers look again and again at the same characters."""


@lru_cache(maxsize=500)
def highlight(code: str, language: str) -> str:
    """Escaped HTML, with spans where the language is known and the text is not too long."""
    name = language.lower()
    if name not in LANGUAGES or len(code) > HIGHLIGHT_MAX or _TIRING.search(code):
        return escape(code)
    return "".join(_spans(_lexer(name), code))


def _spans(lexer: Any, code: str) -> list[str]:
    spans, kind, text = [], "", ""
    for _, token, value in lexer.get_tokens_unprocessed(code):
        its = _class(token)
        if its != kind and value.strip():
            spans.append(_span(kind, text))
            kind, text = its, ""
        text += value
    return [*spans, _span(kind, text)]


def _span(kind: str, text: str) -> str:
    return f'<span class="{kind}">{escape(text)}</span>' if kind else escape(text)


@lru_cache(maxsize=256)
def _class(token: Any) -> str:
    """The first letter says the kind of a token; a finer palette would only be noise in a chat."""
    short = STANDARD_TYPES.get(token, "") or (token.parent and _class(token.parent)) or ""
    return short if short in _SHOWN else short[:1] if short[:1] in _SHOWN else ""


_SHOWN = frozenset(["k", "s", "c", "m", "nf", "nc", "nb", "nt", "na", "nd", "o", "gi", "gd", "gh"])


@lru_cache(maxsize=64)
def _lexer(name: str) -> Any:
    return get_lexer_by_name(name)
