"""A model's Markdown as safe HTML, one finished block after another (docs/decisions/0012-formatting.md).

Nothing here knows a row or a socket. The worker formats while a text streams and the pages format what stands, both by
these functions from the same text, so they always agree.
"""

from threads.formatting.blocks import Block, Splitter, split
from threads.formatting.rendering import render

__all__ = ["Block", "Splitter", "render", "split"]
