"""The JSON door of councils: the named choices of models that a person keeps."""

from typing import TypedDict
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.actions import Quorum, change_council, delete_council, save_council
from runs.api import NO_LIST, NO_MASTER
from runs.models import Council
from threads.api import caller
from threads.inputs import Flag, Strict, Text, Whole, checked
from threads.openapi import many, one


class CouncilView(TypedDict):
    """A named choice of models."""

    id: str
    name: str
    master: str
    secondaries: list[str]
    minimum: int
    soft_deadline: int | None
    default: bool
    """A new thread begins with it."""


class NewCouncil(Strict):
    """What is kept under which name."""

    name = Text()
    master = Text(error_messages={"required": NO_MASTER})
    secondaries = serializers.ListField(child=Text(), required=False, error_messages={"not_a_list": NO_LIST})
    minimum = Whole(required=False, help_text="As in a run.")
    soft_deadline = Whole(required=False, help_text="As in a run.")


class CouncilChange(Strict):
    """What can be changed; its models are changed by keeping it again under its name."""

    name = Text(required=False)
    default = Flag(required=False, help_text="Whether a new thread begins with it; at most one council is so.")


class CouncilsView(APIView):
    """Your councils."""

    @extend_schema(operation_id="list_councils", responses={200: many(CouncilView)}, tags=["councils"])
    def get(self, request: Request) -> Response:
        """List your councils, oldest first."""
        mine = Council.objects.filter(owner_id=caller(request).pk)
        return Response({"results": [council_view(council) for council in mine]})

    @extend_schema(
        operation_id="save_council", request=NewCouncil, responses={201: one(CouncilView)}, tags=["councils"]
    )
    def post(self, request: Request) -> Response:
        """Keep a choice under a name; a council of that name is replaced by it."""
        chosen = checked(NewCouncil, request)
        quorum = Quorum(chosen.pop("minimum", 1), chosen.pop("soft_deadline", None))
        return Response(council_view(save_council(caller(request), **chosen, quorum=quorum)), status=201)


class OneCouncilView(APIView):
    """One of your councils."""

    @extend_schema(operation_id="read_council", responses={200: one(CouncilView)}, tags=["councils"])
    def get(self, request: Request, council_id: UUID) -> Response:
        """Read a council."""
        return Response(council_view(_council_of(request, council_id)))

    @extend_schema(
        operation_id="change_council", request=CouncilChange, responses={200: one(CouncilView)}, tags=["councils"]
    )
    def patch(self, request: Request, council_id: UUID) -> Response:
        """Give a council another name, or make it the one that new threads begin with."""
        council = _council_of(request, council_id)
        change = checked(CouncilChange, request)
        return Response(
            council_view(change_council(council, name=change.get("name"), is_default=change.get("default")))
        )

    @extend_schema(operation_id="delete_council", responses={204: None}, tags=["councils"])
    def delete(self, request: Request, council_id: UUID) -> Response:
        """Forget a council; what was asked with it stays."""
        delete_council(_council_of(request, council_id))
        return Response(status=204)


def council_view(council: Council) -> CouncilView:
    """A council as the API shows it."""
    return {
        "id": str(council.pk),
        "name": council.name,
        "master": council.master_model,
        "secondaries": council.secondary_models,
        "minimum": council.minimum,
        "soft_deadline": council.soft_deadline,
        "default": council.is_default,
    }


def _council_of(request: Request, council_id: UUID) -> Council:
    return Council.objects.filter(owner_id=caller(request).pk).get(pk=council_id)
