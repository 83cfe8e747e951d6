"""What the composer sends."""

import re
from dataclasses import dataclass
from typing import Self

from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _

from runs.actions import EVERYBODY, Quorum
from runs.choices import Choice, Patience


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and whom to ask. Whether it can be asked is judged by the action that takes it."""

    prompt: str
    choice: Choice
    idempotency_key: str
    instead_of: str = ""
    """The prompt of which this is to be another version."""

    @classmethod
    def sent(cls, fields: QueryDict) -> Self:
        """The fields of the composer; forms send line ends as CR LF.

        Ids and keys are looked up before they are judged, and no database is asked for a NUL.
        """
        seconds, answers = fields.get("soft_deadline", "").strip(), fields.get("minimum", "").strip()
        everybody = fields.get("wait") == "all" or not (seconds or answers)
        return cls(
            prompt=fields.get("prompt", "").replace("\r\n", "\n"),
            choice=Choice(
                _word(fields.get("master", "")),
                tuple(map(_word, fields.getlist("secondary"))),
                Patience(everybody, seconds, answers) if seconds or answers else Patience(everybody),
            ),
            idempotency_key=_word(fields.get("idempotency_key", "")),
            instead_of=fields.get("instead_of", ""),
        )

    @property
    def quorum(self) -> Quorum:
        """When the final answer may begin. One model alone has nobody to wait for.

        Raises:
            ValidationError: a number is none.
        """
        patience = self.choice.patience
        if patience.everybody or not self.choice.secondaries:
            return EVERYBODY
        return Quorum(
            _whole(patience.answers) if patience.answers else EVERYBODY.minimum,
            _whole(patience.seconds) if patience.seconds else EVERYBODY.soft_deadline,
        )


def _word(sent: str) -> str:
    return sent.replace("\x00", "\ufffd")


def _whole(typed: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", typed):
        raise ValidationError(
            _("“%(typed)s” is not a whole number. Correct when the final answer is written, among the models."),
            params={"typed": typed[:20]},
        )
    return int(typed)
