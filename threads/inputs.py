"""What a request to the API may hold: JSON of the right types, without fields that nobody knows."""

import json
import sys
from collections.abc import Mapping
from typing import IO, Any, NoReturn
from uuid import UUID

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from threads.actions import clean_text


class JSONParser(BaseParser):
    """JSON in UTF-8, whatever charset the request claims (``charset=zlib`` would inflate a small body to gigabytes)."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value of the body. A body without a Content-Length is measured while it is read."""
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig
        try:
            return json.loads(body.decode(), parse_constant=_no_number, object_pairs_hook=_without_twins)
        except (ValueError, RecursionError):
            raise ParseError(_("The body is not valid JSON in UTF-8. Correct it and send it again.")) from None


@extend_schema_field(OpenApiTypes.STR)
class Text(serializers.Field[str, Any, str, Any]):
    """A JSON string that can be stored. Nothing else is made into one."""

    default_error_messages = {
        "required": gettext_lazy("It is missing. Send it as a text."),
        "null": gettext_lazy("It is null. Send a text."),
        "type": gettext_lazy("It is not a text. Send a JSON string."),
    }

    def to_internal_value(self, data: Any) -> str:
        """The text as it came: its length and content are judged by the action that takes it."""
        if not isinstance(data, str):
            self.fail("type")
        return clean_text(data, sys.maxsize, what=self.field_name or _("text"))

    def to_representation(self, value: str) -> str:
        """Inputs are never shown; the schema asks for this."""
        return value


@extend_schema_field(OpenApiTypes.INT)
class Whole(serializers.Field[int, Any, int, Any]):
    """A whole JSON number from 0 on. Nothing else is made into one; how large it may be is judged by the action."""

    default_error_messages = {
        "null": gettext_lazy("It is null. Send a whole number, or leave it out."),
        "type": gettext_lazy("It is not a whole number from 0 on. Send one."),
    }

    def to_internal_value(self, data: Any) -> int:
        """The number as it came, unless it is negative or longer than a database's integer."""
        if not isinstance(data, int) or isinstance(data, bool) or not 0 <= data < 2**31:
            self.fail("type")
        return data

    def to_representation(self, value: int) -> int:
        """Inputs are never shown; the schema asks for this."""
        return value


@extend_schema_field(OpenApiTypes.BOOL)
class Flag(serializers.Field[bool, Any, bool, Any]):
    """A JSON true or false. Nothing else is made into one."""

    default_error_messages = {
        "null": gettext_lazy("It is null. Send true or false, or leave it out."),
        "type": gettext_lazy("It is neither true nor false. Send one of them."),
    }

    def to_internal_value(self, data: Any) -> bool:
        """Yes or no."""
        if not isinstance(data, bool):
            self.fail("type")
        return data

    def to_representation(self, value: bool) -> bool:  # noqa: FBT001 -- the framework calls it so
        """Inputs are never shown; the schema asks for this."""
        return value


@extend_schema_field(OpenApiTypes.UUID)
class Identifier(serializers.Field[UUID, Any, str, Any]):
    """An id that was given out before."""

    default_error_messages = {
        "null": gettext_lazy("It is null. Send an id, or leave it out."),
        "type": gettext_lazy("It is no id. Send one as this API gave it."),
    }

    def to_internal_value(self, data: Any) -> UUID:
        """The id; whether there is such a thing is for the action to say."""
        try:
            return UUID(data)
        except (ValueError, AttributeError, TypeError):
            self.fail("type")

    def to_representation(self, value: UUID) -> str:
        """Inputs are never shown; the schema asks for this."""
        return str(value)


class Strict(serializers.Serializer[Any]):
    """An object with exactly these fields."""

    default_error_messages = {"invalid": gettext_lazy("The body is not a JSON object. Send one.")}

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown fields by name: a misspelt one would otherwise be ignored in silence."""
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                {name[:100]: [_("There is no such field. Known are: %s.") % known] for name in unknown[:10]}
            )
        return super().to_internal_value(data)


def checked(form: type[Strict], request: Request) -> dict[str, Any]:
    """What the body says, once it has the form.

    Raises:
        rest_framework.exceptions.ValidationError: it has another form.
    """
    data = {} if request.data is None else request.data
    serializer = form(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys each stand once: of two, nobody could say which one was meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(pairs)
    return found
