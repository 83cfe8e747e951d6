from typing import Any

import pytest
from django.core.exceptions import ValidationError

from runs.actions import give_feedback
from runs.models import Feedback
from tests.runs.rows import candidates, completed

pytestmark = pytest.mark.usefixtures("models", "said", "redis_flushed")


def given() -> list[tuple[str, str]]:
    return list(Feedback.objects.values_list("person__username", "verdict"))


def test_one_verdict_a_person_and_text_which_can_be_changed_and_taken_back(ada: Any, bob: Any) -> None:
    draft = candidates(completed(ada))[0]
    give_feedback(ada, draft.pk, "up")
    give_feedback(bob, draft.pk, "up")
    give_feedback(ada, draft.pk, "down")
    assert sorted(given()) == [("ada", "down"), ("bob", "up")]
    give_feedback(ada, draft.pk, "none")
    give_feedback(ada, draft.pk, "none")
    assert given() == [("bob", "up")]


def test_anything_else_is_refused(ada: Any) -> None:
    draft = candidates(completed(ada))[0]
    with pytest.raises(ValidationError):
        give_feedback(ada, draft.pk, "splendid")
    assert given() == []
