"""How the API's schema describes what the views answer: by the same typed views that the socket sends."""

from typing import Any, NotRequired, TypedDict

from threads.schema import Schema, definitions

_PLACE = "#/components/schemas/"
_answered: dict[str, type] = {}


class ProblemDetails(TypedDict):
    """Why a request was refused: a word for programs, one sentence that says what to do, and what is wrong by field."""

    code: str
    message: str
    fields: NotRequired[dict[str, list[str]]]


class Problem(TypedDict):
    """The body of every answer that is an error."""

    error: ProblemDetails


def one(view: type) -> Schema:
    """An answer that is one view."""
    _answered[view.__name__] = view
    return {"$ref": _PLACE + view.__name__}


def many(view: type) -> Schema:
    """An answer that is a list of views."""
    return {
        "type": "object",
        "properties": {"results": {"type": "array", "items": one(view)}},
        "required": ["results"],
    }


def page(view: type) -> Schema:
    """An answer that is one page of a longer list."""
    address = {"type": ["string", "null"], "format": "uri"}
    return {
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "next": address,
            "previous": address,
            "results": {"type": "array", "items": one(view)},
        },
        "required": ["count", "next", "previous", "results"],
    }


def add_views(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: define the views that answers name, and the error that each address may answer."""
    problem = {"description": "The request was refused.", "content": {"application/json": {"schema": one(Problem)}}}
    result["components"].setdefault("schemas", {}).update(definitions(_answered.values(), _PLACE))
    for address in result["paths"].values():
        for operation in address.values():
            operation["responses"].setdefault("default", problem)
    return result
