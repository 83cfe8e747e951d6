"""The words of a thread's socket as JSON Schema, for authors of clients: ``manage.py protocol`` prints it."""

from typing import Any

from runs.events import WORDS
from threads.schema import definitions


def schema() -> dict[str, Any]:
    """Every message of a server is exactly one of these frames, or a list of them. A bare frame stands in a list."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a Polyphony thread says on its socket",
        "oneOf": [
            {"type": "object", "$ref": "#/$defs/Frame"},
            {"type": "array", "items": {"$ref": "#/$defs/Frame"}, "minItems": 1},
        ],
        "$defs": {
            "Frame": {"oneOf": [{"$ref": f"#/$defs/{word.__name__}"} for word in WORDS]},
            **definitions(WORDS, "#/$defs/"),
        },
    }
