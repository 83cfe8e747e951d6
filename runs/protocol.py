"""The words of a thread's socket as JSON Schema, for authors of clients: ``manage.py protocol`` prints it."""

from typing import Any

from runs.events import WORDS
from threads.schema import definitions


def schema() -> dict[str, Any]:
    """Every frame that a server sends is exactly one of these."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a Polyphony thread says on its socket",
        "oneOf": [{"$ref": f"#/$defs/{word.__name__}"} for word in WORDS],
        "$defs": definitions(WORDS, "#/$defs/"),
    }
