"""Where a growing text may be cut: finished top-level blocks, and the rest that is still open.

A cut never falls inside a construct of Markdown, so each block can be rendered by itself. Only whole lines decide, each
is looked at once, and what was cut stays cut whatever comes later.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_ITEM = re.compile(r" {0,3}(?:[-+*]|(\d{1,9})[.)])(?=\s)")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:-[ \t]*){3,})$")
_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")
_MATHS = {"$$": "$$", r"\[": r"\]"}


@dataclass(frozen=True, slots=True)
class Block:
    """A finished piece of a text."""

    text: str
    start: int
    """Where it begins, in UTF-16 code units."""
    end: int
    ordinal: int | None = None
    """The number of an item of an ordered list, as its whole list counts."""


class _Open(Enum):
    NOTHING = auto()
    FLOW = auto()
    """A paragraph, a table or a quotation: until a blank line."""
    ITEM = auto()
    """An item of a list, with all that is indented below it."""
    INDENTED = auto()
    FENCE = auto()
    MATHS = auto()
    CLOSED = auto()
    """Complete; a blank line still belongs to it."""


class Splitter:
    """Takes a text piece by piece and gives back the blocks that each piece finished."""

    def __init__(self) -> None:
        self._open = _Open.NOTHING
        self._closing = ""
        self._blank_before = False
        self._inner = 0
        self._ordinal: int | None = None
        self._next_ordinal: int | None = None
        self._lines: list[str] = []
        self._partial: list[str] = []
        self._end = 0
        self._done: list[Block] = []

    def feed(self, piece: str) -> list[Block]:
        """The blocks that are finished now."""
        *ended, partial = piece.split("\n")
        for line in ended:
            self._partial.append(line)
            self._line("".join(self._partial) + "\n")
            self._partial = []
        if partial:
            self._partial.append(partial)
            if self._open is _Open.CLOSED and partial.strip():
                self._cut()
        done, self._done = self._done, []
        return done

    def finish(self) -> list[Block]:
        """The text has ended, and what is open with it."""
        if self._partial:
            self._line("".join(self._partial))
            self._partial = []
        self._cut()
        done, self._done = self._done, []
        return done

    def _line(self, line: str) -> None:
        blank = not line.strip()
        if self._open is _Open.FENCE:
            self._inside(line, ended=_closes_fence(line, self._closing))
        elif self._open is _Open.MATHS:
            self._inside(line, ended=blank or line.rstrip().endswith(self._closing))
        elif blank:
            self._blank(line)
        else:
            self._words(line)
            self._blank_before = False

    def _inside(self, line: str, *, ended: bool) -> None:
        self._lines.append(line)
        if ended:
            self._open = _Open.CLOSED

    def _blank(self, line: str) -> None:
        self._lines.append(line)
        self._blank_before = True
        if self._open in (_Open.FLOW, _Open.CLOSED):
            self._cut()

    def _words(self, line: str) -> None:
        if self._goes_on(line):
            self._lines.append(line)
            return
        if self._open is not _Open.NOTHING:
            self._cut()
        self._begin(line)

    def _goes_on(self, line: str) -> bool:
        """Whether a line belongs to what is open."""
        if self._open is _Open.ITEM:
            if line.startswith(("  ", "\t")) and not (_ITEM.match(line) and _indent(line) < self._inner):
                return True
            return not self._blank_before and not _interrupts(line, in_list=True)
        if self._open is _Open.INDENTED:
            return line.startswith(("    ", "\t"))
        return self._open is _Open.FLOW and not _interrupts(line)

    def _begin(self, line: str) -> None:
        self._lines.append(line)
        fence, item = _FENCE.match(line.rstrip("\r\n")), _ITEM.match(line)
        maths = next((mark for mark in _MATHS if line.lstrip(" ").startswith(mark) and _indent(line) < 4), None)
        self._ordinal = None
        if fence:
            self._open, self._closing = _Open.FENCE, fence[1]
        elif maths:
            self._begin_maths(line.strip(), maths)
        elif _HEADING.match(line) or _RULE.match(line.rstrip()):
            self._open = _Open.CLOSED
        elif item:
            self._begin_item(item)
            return
        elif line.startswith(("    ", "\t")):
            self._open = _Open.INDENTED
        else:
            self._open = _Open.FLOW
        self._next_ordinal = None

    def _begin_maths(self, line: str, mark: str) -> None:
        self._closing = _MATHS[mark]
        rest = line[2:]
        if self._closing not in rest:
            self._open = _Open.MATHS
        else:
            self._open = _Open.CLOSED if rest.endswith(self._closing) else _Open.FLOW

    def _begin_item(self, item: re.Match[str]) -> None:
        self._open, self._inner = _Open.ITEM, item.end() + 1
        first = int(item[1]) if item[1] else None
        self._ordinal = first if first is None or self._next_ordinal is None else self._next_ordinal
        self._next_ordinal = None if self._ordinal is None else self._ordinal + 1

    def _cut(self) -> None:
        text = "".join(self._lines)
        self._lines = []
        self._open = _Open.NOTHING
        self._blank_before = False
        if text:
            start, self._end = self._end, self._end + units(text)
            self._done.append(Block(text, start, self._end, self._ordinal))


def split(text: str, *, whole: bool) -> tuple[list[Block], str]:
    """The finished blocks of a text, and its open rest; a whole text has none."""
    splitter = Splitter()
    blocks = splitter.feed(text)
    if whole:
        blocks += splitter.finish()
    return blocks, text[sum(len(block.text) for block in blocks) :]


def units(text: str) -> int:
    """The length of a text as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _closes_fence(line: str, opening: str) -> bool:
    bare = line.strip()
    return _indent(line) < 4 and len(bare) >= len(opening) and not bare.strip(opening[0])


def _interrupts(line: str, *, in_list: bool = False) -> bool:
    """Whether a line begins something of its own right below a paragraph."""
    item = _ITEM.match(line)
    begins = item and (in_list or item[1] in (None, "1"))
    maths = line.lstrip(" ").startswith(tuple(_MATHS)) and _indent(line) < 4
    return bool(_FENCE.match(line.rstrip("\r\n")) or _HEADING.match(line) or begins or maths)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
