"""What a person thinks of a text."""

from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from runs.models import Feedback

NONE = "none"


def give_feedback(person: AbstractBaseUser, generation_id: UUID, verdict: str) -> None:
    """Keep one verdict for each person and text: a later one replaces it, ``none`` takes it back.

    Raises:
        ValidationError: it is no verdict.
    """
    of_this = Feedback.objects.filter(person_id=person.pk, generation_id=generation_id)
    if verdict == NONE:
        of_this.delete()
    elif verdict in Feedback.Verdict.values:
        Feedback.objects.update_or_create(
            person_id=person.pk, generation_id=generation_id, defaults={"verdict": verdict}
        )
    else:
        raise ValidationError(_("This is no verdict. Send up, down or none."))
