"""What the composer sends."""

from dataclasses import dataclass
from typing import Self

from django.http import QueryDict

from runs.choices import Choice


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and whom to ask. Whether it can be asked is judged by the action that takes it."""

    prompt: str
    choice: Choice
    idempotency_key: str

    @classmethod
    def sent(cls, fields: QueryDict) -> Self:
        """The fields of the composer; forms send line ends as CR LF."""
        return cls(
            prompt=fields.get("prompt", "").replace("\r\n", "\n"),
            choice=Choice(fields.get("master", ""), tuple(fields.getlist("secondary"))),
            idempotency_key=fields.get("idempotency_key", ""),
        )
