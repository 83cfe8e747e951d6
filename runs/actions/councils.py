"""The verbs of councils: the named choices of models that a person keeps."""

from collections.abc import Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from runs.actions.admission import lock_owner
from runs.actions.start import EVERYBODY, Quorum, check_choice
from runs.models import Council
from threads.actions import clean_text

NAME_MAX_CHARS = 80
COUNCILS_MAX = 50
"""How many one person may keep: each of them stands in every page of theirs."""


def save_council(
    owner: AbstractBaseUser,
    name: str,
    *,
    master: str,
    secondaries: Sequence[str] = (),
    quorum: Quorum = EVERYBODY,
) -> Council:
    """Keep a choice under a name; a council of that name is replaced by it.

    Raises:
        ValidationError: the name or the choice cannot be used, or there are too many councils already.
    """
    name = _clean_name(name)
    check_choice(master, secondaries, quorum)
    chosen = {
        "master_model": master,
        "secondary_models": list(secondaries),
        "minimum": quorum.minimum,
        "soft_deadline": quorum.soft_deadline,
    }
    with transaction.atomic():
        lock_owner(owner.pk)
        mine = Council.objects.filter(owner_id=owner.pk)
        if not mine.filter(name=name).exists() and mine.count() >= COUNCILS_MAX:
            raise ValidationError(
                _("You have %(limit)d councils; there can be no more. Delete one."), params={"limit": COUNCILS_MAX}
            )
        council, _new = mine.update_or_create(owner_id=owner.pk, name=name, defaults=chosen)
    return council


def change_council(council: Council, *, name: str | None = None, is_default: bool | None = None) -> Council:
    """Call it something else, or make it the one that a new thread begins with (or no longer that one).

    Raises:
        ValidationError: the name cannot be used.
        Council.DoesNotExist: it was deleted meanwhile.
    """
    with transaction.atomic():
        lock_owner(council.owner_id)
        council = Council.objects.get(pk=council.pk)  # as it is now, and not as it was when it was asked for
        others = Council.objects.filter(owner_id=council.owner_id).exclude(pk=council.pk)
        if name is not None:
            council.name = _clean_name(name)
            if others.filter(name=council.name).exists():
                raise ValidationError(_("Another council has this name. Choose another one."))
        if is_default is not None:
            council.is_default = is_default
            if is_default:
                others.filter(is_default=True).update(is_default=False)
        council.save(update_fields=["name", "is_default"])
    return council


def delete_council(council: Council) -> None:
    """Forget a choice. Threads that were asked with it keep it as their last one."""
    council.delete()


def _clean_name(name: str) -> str:
    name = clean_text(" ".join(name.split()), NAME_MAX_CHARS, what=_("name"))
    if not name:
        raise ValidationError(_("The council has no name. Type one."))
    return name
