"""The JSON door of the estimate: what a question will about cost and take, before it is sent."""

from typing import TypedDict

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.actions import Quorum, check_choice
from runs.api import NO_LIST, NO_MASTER
from runs.choices import Choice
from runs.estimates import Estimate, estimate
from threads.api import caller, thread_of
from threads.inputs import Identifier, Strict, Text, Whole, checked
from threads.openapi import one


class TooLongView(TypedDict):
    """A model that cannot read all of it."""

    model: str
    """What people call it."""
    tokens: int
    context_window: int


class EstimateView(TypedDict):
    """About what a question will cost and take, from prices and from what the models took lately."""

    cost: str | None
    """US dollars of what can be priced; null when nothing can be."""
    unpriced: list[str]
    """The models whose cost is not known, in full or in part."""
    seconds: float | None
    """Of those models whose time is known; null when it is of none."""
    untimed: list[str]
    """The models that have not answered here yet."""
    too_long: list[TooLongView]
    too_many: bool
    """You have as many runs under way as one person may have, so it would be refused now."""


class Asked(Strict):
    """What would be asked of whom."""

    prompt = Text(required=False, help_text="Only its length counts.")
    thread = Identifier(required=False, help_text="The thread that it would go on with; all that it holds is sent too.")
    master = Text(error_messages={"required": NO_MASTER})
    secondaries = serializers.ListField(child=Text(), required=False, error_messages={"not_a_list": NO_LIST})
    minimum = Whole(required=False, help_text="As in a run.")
    soft_deadline = Whole(required=False, help_text="As in a run.")


class EstimatesView(APIView):
    """Before a prompt is sent."""

    @extend_schema(operation_id="estimate_run", request=Asked, responses={200: one(EstimateView)}, tags=["runs"])
    def post(self, request: Request) -> Response:
        """Say about what it will cost and take to ask these models. Nothing is stored, and no model is asked."""
        asked = checked(Asked, request)
        choice = Choice(asked["master"], tuple(asked.get("secondaries", ())))
        quorum = Quorum(asked.get("minimum", 1), asked.get("soft_deadline"))
        check_choice(choice.master, choice.secondaries, quorum)
        thread = thread_of(request, asked["thread"]) if "thread" in asked else None
        return Response(_view(estimate(caller(request), thread, choice, len(asked.get("prompt", "")), quorum)))


def _view(told: Estimate) -> EstimateView:
    return {
        "cost": str(told.cost) if told.priced else None,
        "unpriced": told.unpriced,
        "seconds": told.seconds,
        "untimed": told.untimed,
        "too_long": [
            {"model": each.label, "tokens": each.tokens, "context_window": each.window} for each in told.too_long
        ],
        "too_many": told.too_many,
    }
