"""The JSON door of the runs: start, read and stop them; the models that can be asked; tokens."""

from collections.abc import Callable
from typing import Any, NoReturn, TypedDict, TypeVar
from uuid import UUID

from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import catalogue
from runs.actions import Quorum, give_feedback, request_cancel, use
from runs.catalogue import Model
from runs.events import ModelView, RunView
from runs.export import ThreadExport, as_json, as_markdown
from runs.models import RUN_ACTIVE, Generation, MultiModelRun
from runs.orchestration import (
    retry_generation,
    retry_run,
    rewrite,
    start_multi_model_generation,
    stop_generation,
    synthesize_now,
)
from runs.snapshot import begun_view, model_view, run_view, run_views, with_details
from threads.api import caller, thread_of
from threads.inputs import Identifier, Strict, Text, Whole, checked
from threads.openapi import many, one, page
from threads.pages import PAGE_PARAMETERS, paged

F = TypeVar("F", bound=Callable[..., Any])

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


class VerdictView(TypedDict):
    """What you think of a text now."""

    generation: str
    verdict: str


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
    instead_of = Identifier(
        required=False,
        help_text="A prompt of the thread: the new one is another version of it, on a branch of its own.",
    )
    minimum = Whole(required=False, help_text="How many drafts the final answer needs at least; 1 when left out.")
    soft_deadline = Whole(
        required=False,
        help_text="Seconds after which the final answer begins with the drafts that are there, once they are as many as"
        " the minimum; 0 for as soon as they are. When left out, everybody is waited for.",
    )


class Another(Strict):
    """Who is asked in the place of somebody else."""

    model = Text(required=False, help_text="Another model; when left out, the same one.")


class Writer(Strict):
    """Who writes another version."""

    master = Text(required=False, help_text="Another master; when left out, the one who wrote the last version.")


class Judgement(Strict):
    """What you think of a text."""

    verdict = Text(help_text="`up`, `down`, or `none` to take it back.")


class Credentials(Strict):
    """Who wants a token."""

    username = Text()
    password = Text()


def verb(name: str, form: type[Strict] | None = None) -> Callable[[F], F]:
    """The schema of an address that does one thing to a run and takes no body, or need not be given one."""
    responses = {202: one(RunView), 200: one(RunView)}
    return extend_schema(operation_id=name, request=form, responses=responses, tags=["runs"])


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
        quorum = Quorum(asked.pop("minimum", 1), asked.pop("soft_deadline", None))
        key = request.headers.get("Idempotency-Key", "")
        run, new = start_multi_model_generation(caller(request), thread, **asked, quorum=quorum, idempotency_key=key)
        if new:
            return Response(begun_view(run), status=202)
        return Response(run_view(run.pk), status=202, headers={"Idempotent-Replay": "true"})


class ExportView(APIView):
    """A thread to keep, for programs."""

    @extend_schema(operation_id="export_thread", responses={200: one(ThreadExport)}, tags=["threads"])
    def get(self, request: Request, thread_id: UUID) -> Response:
        """All branches of a thread with all drafts, who wrote the final answers and what they rest on."""
        return Response(as_json(thread_of(request, thread_id)))


class MarkdownView(APIView):
    """A thread to keep, for people."""

    @extend_schema(
        operation_id="export_thread_as_markdown",
        responses={(200, "text/markdown"): OpenApiTypes.STR},
        tags=["threads"],
    )
    def get(self, request: Request, thread_id: UUID) -> HttpResponse:
        """The branch of a thread that is shown, with all drafts, as Markdown."""
        text = as_markdown(thread_of(request, thread_id))
        return HttpResponse(text, content_type="text/markdown; charset=utf-8")


class OneRunView(APIView):
    """One of your runs."""

    @extend_schema(operation_id="read_run", responses={200: one(RunView)}, tags=["runs"])
    def get(self, request: Request, run_id: UUID) -> Response:
        """Read a run with every text as far as it has come."""
        return Response(run_view(_run_of(request, run_id).pk))


class StopView(APIView):
    """The stop button of a run."""

    @verb("stop_run")
    def post(self, request: Request, run_id: UUID) -> Response:
        """Stop a run; what has come is kept. A run that has ended stays as it is (200)."""
        run = _run_of(request, run_id)
        stopped = request_cancel(run.pk)
        view = run_view(run.pk)
        return Response(view, status=202 if stopped or view["status"] in RUN_ACTIVE else 200)


class RetryView(APIView):
    """The second try of a run."""

    @verb("retry_run")
    def post(self, request: Request, run_id: UUID) -> Response:
        """Begin a failed or stopped run again; its drafts are kept. Any other run stays as it is (200)."""
        return _answer(run_id, retry_run(_run_of(request, run_id).pk))


class SynthesizeView(APIView):
    """The impatience of a person."""

    @verb("synthesize_run")
    def post(self, request: Request, run_id: UUID) -> Response:
        """Begin the final answer with the drafts that are there. A run that waits for none stays as it is (200)."""
        return _answer(run_id, synthesize_now(_run_of(request, run_id).pk))


class StopGenerationView(APIView):
    """The stop button of one model."""

    @verb("stop_generation")
    def post(self, request: Request, generation_id: UUID) -> Response:
        """Stop one model of a run; the others go on. One that has ended stays as it is (200)."""
        generation = _generation_of(request, generation_id)
        return _answer(generation.run_id, stop_generation(generation))


class RetryGenerationView(APIView):
    """The second try of one model."""

    @verb("retry_generation", Another)
    def post(self, request: Request, generation_id: UUID) -> Response:
        """Ask one model anew that failed or was stopped, or another one in its place.

        One that writes or has answered stays as it is (200).
        """
        generation = _generation_of(request, generation_id)
        return _answer(generation.run_id, retry_generation(generation, **checked(Another, request)))


class RewriteView(APIView):
    """The second opinion of a person on a final answer."""

    @verb("rewrite_run", Writer)
    def post(self, request: Request, run_id: UUID) -> Response:
        """Let another version of the final answer be written, from all drafts that are there by now.

        The old one stands until the new one is whole. A run without an answer, or of which a version is being
        written, stays as it is (200).
        """
        run = _run_of(request, run_id)
        return _answer(run.pk, rewrite(run.pk, **checked(Writer, request)))


class UseView(APIView):
    """The choice of a person."""

    @verb("use_generation")
    def post(self, request: Request, generation_id: UUID) -> Response:
        """Make a draft, or another version, the final answer. What is none, or is it already, changes nothing (200).

        A run that is not completed is completed by it; nobody writes a synthesis for it any more.
        """
        generation = _generation_of(request, generation_id)
        return _answer(generation.run_id, use(generation.pk))


class FeedbackView(APIView):
    """Thumbs."""

    @extend_schema(operation_id="judge_generation", request=Judgement, responses={200: one(VerdictView)}, tags=["runs"])
    def post(self, request: Request, generation_id: UUID) -> Response:
        """Say what you think of a draft or of a version of the final answer; a later verdict replaces it."""
        generation = _generation_of(request, generation_id)
        judgement = checked(Judgement, request)
        give_feedback(caller(request), generation.pk, **judgement)
        return Response({"generation": str(generation.pk), **judgement})


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


def _answer(run_id: UUID, done: bool) -> Response:  # noqa: FBT001
    """The run after a verb: 202 when something goes on because of it, 200 when it was as it should be."""
    return Response(run_view(run_id), status=202 if done else 200)


def _generation_of(request: Request, generation_id: UUID) -> Generation:
    return Generation.objects.owned_by(caller(request)).get(pk=generation_id)


def _run_of(request: Request, run_id: UUID) -> MultiModelRun:
    return MultiModelRun.objects.owned_by(caller(request)).get(pk=run_id)


def _model_details(model: Model) -> ModelDetails:
    return {
        **model_view(model.id),
        "context_window": model.context_window,
        "input_price": None if model.input_price is None else str(model.input_price),
        "output_price": None if model.output_price is None else str(model.output_price),
        "capabilities": sorted(model.capabilities),
    }
