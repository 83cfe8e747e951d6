"""Text as databases, message brokers and browsers can take it.

JSON can carry what UTF-8 cannot: half of a surrogate pair, which breaks the encoder of every part behind us, and NUL,
which PostgreSQL refuses.
"""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without NUL, its surrogate pairs joined and its lone ones replaced by U+FFFD."""
    text = text.replace("\0", "")
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class TextCleaner:
    """Cleans one stream of text whose pieces may be cut within a surrogate pair."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be shown by now; it may be empty."""
        text = self._held + piece.replace("\0", "")
        self._held = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return clean(text.removesuffix(self._held))

    def end(self) -> str:
        """What was held back for a mate that never came."""
        held, self._held = self._held, ""
        return clean(held)
