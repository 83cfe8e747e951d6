"""Server-sent events: bytes in, however they are cut, events out."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_EVENT_BYTES = 8 * 2**20
"""More than any vendor sends in one event; a stream that goes on without an end must not fill the memory."""

_BOM = b"\xef\xbb\xbf"


class MalformedStreamError(ValueError):
    """The bytes of a vendor's stream are not what its format promises."""


class ServerEvent(NamedTuple):
    """One event: its name, often empty, and its data."""

    name: str
    data: str


class EventDecoder:
    """Cuts one stream into events. A line may end in CR, LF or both, and a chunk anywhere, even within a character."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False
        self._first_line = True
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """The events that this chunk completes.

        Raises:
            MalformedStreamError: an event is too long, or is not UTF-8.
        """
        for line in self._lines(chunk) if chunk else ():
            if line:
                self._field(line)
            elif event := self._dispatch():
                yield event

    def end(self) -> Iterator[ServerEvent]:
        """The event that lacks only the empty line after it: some servers save themselves the last one."""
        if self._line:
            yield from self.feed(b"\n")
        if event := self._dispatch():
            yield event

    def _lines(self, chunk: bytes) -> Iterable[bytes]:
        if chunk.endswith(b"\n\n") and b"\r" not in chunk and not (self._line or self._after_cr or self._first_line):
            return chunk.split(b"\n")[:-1]  # whole events, as almost always
        return self._cut_lines(chunk)

    def _cut_lines(self, chunk: bytes) -> Iterator[bytes]:
        if self._after_cr:
            # The second half of a CRLF that was cut in two.
            chunk = chunk.removeprefix(b"\n")
        for piece in chunk.splitlines(keepends=True):
            self._line += piece
            self._limit(len(self._line))
            if piece.endswith((b"\n", b"\r")):
                yield self._take_line()
        self._after_cr = chunk.endswith(b"\r")

    def _take_line(self) -> bytes:
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BOM)
        return line

    def _field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
            self._limit(self._size)
        elif field == b"event":
            self._name = _text(value)

    def _dispatch(self) -> ServerEvent | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        return ServerEvent(name, _text(b"\n".join(data))) if data else None

    def _limit(self, size: int) -> None:
        if size > MAX_EVENT_BYTES:
            raise MalformedStreamError(f"an event of more than {MAX_EVENT_BYTES} bytes")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedStreamError("an event is not UTF-8") from error
