"""The JSON door of the runs: start, read and stop them; the models that can be asked; tokens."""

from typing import NoReturn, TypedDict
from uuid import UUID

from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import catalogue
from runs.actions import request_cancel
from runs.catalogue import Model
from runs.events import ModelView, RunView
from runs.models import RUN_ACTIVE, MultiModelRun
from runs.orchestration import start_multi_model_generation
from runs.snapshot import model_view, run_view, run_views, with_details
from threads.api import caller, thread_of
from threads.inputs import Strict, Text, checked
from threads.models import Thread
from threads.openapi import many, one, page
from threads.pages import PAGE_PARAMETERS, paged

KEY_PARAMETER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A key of your own making. The same key with the same body answers with the run that it made before.",
)


class ModelDetails(ModelView):
    """A model that can be asked. What is not known of it is null."""

    context_window: int | None
    input_price: str | None
    output_price: str | None
    capabilities: list[str]


class TokenView(TypedDict):
    """What proves who you are: send it as ``Authorization: Token …``."""

    token: str


NO_MASTER = gettext_lazy("No master is chosen. Send the id of the model that writes the final answer.")
NO_LIST = gettext_lazy("It is not a list. Send model ids.")


class NewRun(Strict):
    """What is asked of whom."""

    prompt = Text()
    master = Text(error_messages={"required": NO_MASTER})
    secondaries = serializers.ListField(child=Text(), required=False, error_messages={"not_a_list": NO_LIST})


class Credentials(Strict):
    """Who wants a token."""

    username = Text()
    password = Text()


class RunsView(APIView):
    """The runs of one of your threads."""

    @extend_schema(operation_id="list_runs", parameters=PAGE_PARAMETERS, responses={200: page(RunView)}, tags=["runs"])
    def get(self, request: Request, thread_id: UUID) -> Response:
        """List the runs of a thread, newest first."""
        runs = MultiModelRun.objects.filter(thread=thread_of(request, thread_id)).order_by("-created_at", "-pk")
        return paged(request, with_details(runs), run_views)

    @extend_schema(
        operation_id="start_run",
        parameters=[KEY_PARAMETER],
        request=NewRun,
        responses={202: one(RunView)},
        tags=["runs"],
    )
    def post(self, request: Request, thread_id: UUID) -> Response:
        """Ask a master and some secondary models. The run comes at once; the texts follow over the thread's socket."""
        thread = thread_of(request, thread_id)
        asked = checked(NewRun, request)
        key = request.headers.get("Idempotency-Key", "")
        run, new = start_multi_model_generation(caller(request), thread, **asked, idempotency_key=key)
        return Response(run_view(run.pk), status=202, headers={} if new else {"Idempotent-Replay": "true"})


class OneRunView(APIView):
    """One of your runs."""

    @extend_schema(operation_id="read_run", responses={200: one(RunView)}, tags=["runs"])
    def get(self, request: Request, run_id: UUID) -> Response:
        """Read a run with every text as far as it has come."""
        return Response(run_view(_run_of(request, run_id).pk))


class StopView(APIView):
    """The stop button of a run."""

    @extend_schema(
        operation_id="stop_run", request=None, responses={202: one(RunView), 200: one(RunView)}, tags=["runs"]
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Stop a run; what has come is kept. A run that has ended stays as it is (200)."""
        run = _run_of(request, run_id)
        stopped = request_cancel(run.pk)
        view = run_view(run.pk)
        return Response(view, status=202 if stopped or view["status"] in RUN_ACTIVE else 200)


class ModelsView(APIView):
    """The models that can be asked now."""

    @extend_schema(operation_id="list_models", responses={200: many(ModelDetails)}, tags=["models"])
    def get(self, request: Request) -> Response:
        """List the models whose provider is configured; prices are US dollars per million tokens."""
        return Response({"results": [_model_details(model) for model in catalogue.available()]})


class TokensView(APIView):
    """The door at which a password becomes a token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="create_token", request=Credentials, responses={200: one(TokenView)}, auth=[], tags=["token"]
    )
    def post(self, request: Request) -> Response:
        """Get your token for a user name and a password."""
        user = authenticate(request, **checked(Credentials, request))
        if user is None:
            raise ValidationError(_("This user name and this password do not fit together. Check both."))
        token, _new = Token.objects.get_or_create(user=user)
        return Response({"token": token.key})


class NothingHereView(APIView):
    """Every other address under ``/api/``."""

    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> NoReturn:
        """Say so, whatever the method."""
        raise NotFound


def _run_of(request: Request, run_id: UUID) -> MultiModelRun:
    return MultiModelRun.objects.get(pk=run_id, thread__in=Thread.objects.owned_by(caller(request)))


def _model_details(model: Model) -> ModelDetails:
    return {
        **model_view(model.id),
        "context_window": model.context_window,
        "input_price": None if model.input_price is None else str(model.input_price),
        "output_price": None if model.output_price is None else str(model.output_price),
        "capabilities": sorted(model.capabilities),
    }
