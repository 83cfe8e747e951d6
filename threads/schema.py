"""JSON Schema of the typed views and events, made from their type hints."""

from collections.abc import Iterable
from dataclasses import is_dataclass
from inspect import getdoc
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}

Schema = dict[str, Any]


def definitions(types: Iterable[type], place: str) -> dict[str, Schema]:
    """Each of the types, and each that they name, by the name under which ``place`` (``#/$defs/``) holds it."""
    found: dict[str, Schema] = {}
    for each in types:
        _refer(each, place, found)
    return dict(sorted(found.items()))


def _refer(record: type, place: str, found: dict[str, Schema]) -> Schema:
    name = record.__name__
    if name not in found:
        found[name] = {}
        found[name] = _record(record, place, found)
    return {"$ref": place + name}


def _record(record: type, place: str, found: dict[str, Schema]) -> Schema:
    hints = {name: hint for name, hint in get_type_hints(record).items() if hint != ClassVar[bool]}
    properties = {
        name: {"const": record.type} if get_origin(hint) is ClassVar else _of(hint, place, found)  # type: ignore[attr-defined]
        for name, hint in hints.items()
    }
    if getattr(record, "bare", False):
        return _list_of(record, properties)
    required = set(hints) if is_dataclass(record) else record.__required_keys__  # type: ignore[attr-defined]
    return {
        "type": "object",
        "description": getdoc(record),
        "properties": properties,
        "required": [name for name in hints if name in required],
    }


def _list_of(record: type, properties: dict[str, Schema]) -> Schema:
    """A bare event: its fields in their order."""
    fields = [{"title": name, **schema} for name, schema in properties.items() if "const" not in schema]
    return {
        "type": "array",
        "description": getdoc(record),
        "prefixItems": fields,
        "items": False,
        "minItems": len(fields),
    }


def _of(hint: Any, place: str, found: dict[str, Schema]) -> Schema:
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is list:
        return {"type": "array", "items": _of(arguments[0], place, found)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], place, found)}
    if origin in (Union, UnionType):
        return {"anyOf": [_of(each, place, found) for each in arguments]}
    return _refer(hint, place, found)
