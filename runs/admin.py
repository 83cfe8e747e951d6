"""Runs for those who look after a copy: everything about them to read, and two things to do, retry and stop."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from runs.actions import Refused, Superseded, ThreadBusy, request_cancel
from runs.models import Feedback, Generation, MultiModelRun
from runs.orchestration import retry_run
from threads.admin import ReadOnly
from threads.models import Thread


class GenerationInline(ReadOnly, admin.StackedInline):  # type: ignore[type-arg]  # only the stubs are generic
    """What each model was asked, what it wrote and how far it is."""

    model = Generation
    extra = 0
    ordering = ("kind", "position", "version")
    fields = (
        ("kind", "role", "position", "version", "current"),
        ("model_id", "lane"),
        ("status", "attempt", "failures", "finish_reason"),
        ("error_code", "error_message"),
        ("lease_owner", "lease_expires_at", "queued_at", "next_retry_at", "waiting_for"),
        ("cancel_requested_at", "late"),
        ("created_at", "started_at", "first_token_at", "ended_at"),
        ("first_token_seconds", "seconds"),
        ("tokens_in", "tokens_out", "tokens_cached", "tokens_reasoning", "cost"),
        ("letters", "shuffle_seed"),
        "prompt_as_sent",
        ("reasoning_seconds", "reasoning_shortened"),
        "reasoning",
        "text",
    )
    readonly_fields = flatten(fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        """With the threads, whose titles the links show."""
        return super().get_queryset(request).select_related("thread", "message")

    @admin.display(description="thread")
    def lane(self, generation: Generation) -> SafeString:
        """A link to where its draft stands."""
        label = "lane" if generation.thread.kind == Thread.Kind.LANE else generation.thread
        return _link("admin:threads_thread_change", generation.thread_id, label)

    @admin.display(description="seconds to the first token")
    def first_token_seconds(self, generation: Generation) -> str:
        """From the claim."""
        return _seconds(generation.started_at, generation.first_token_at)

    @admin.display(description="seconds")
    def seconds(self, generation: Generation) -> str:
        """From the claim to the end."""
        return _seconds(generation.started_at, generation.ended_at)

    @admin.display(description="letters")
    def letters(self, generation: Generation) -> str:
        """Which draft stood under which letter."""
        return json.dumps(generation.labels) if generation.labels else "-"

    @admin.display(description="the exact prompt")
    def prompt_as_sent(self, generation: Generation) -> SafeString | str:
        """Each turn under its role, as plain text."""
        turns = generation.sent_prompt if isinstance(generation.sent_prompt, list) else [generation.sent_prompt]
        return format_html_join("\n", "<b>{}</b><pre>{}</pre>", map(_turn, filter(None, turns))) or "-"


@admin.register(MultiModelRun)
class MultiModelRunAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # only the stubs are generic
    """Every run."""

    list_display = ("__str__", "owner", "status", "outcome", "master_model", "error_code", "created_at", "ended_at")
    list_filter = ("status", "outcome", "generations__feedback__verdict", "error_code", "created_at")
    list_select_related = ("owner",)
    search_fields = ("owner__username", "master_model", "error_code", "prompt__content")
    search_help_text = "Owner, master, error or prompt."
    ordering = ("-created_at",)
    show_full_result_count = False
    actions = ("retry", "stop")
    inlines = (GenerationInline,)
    fields = (
        ("id", "thread_link", "owner"),
        ("status", "outcome", "master_model", "chosen"),
        ("error_code", "error_message"),
        ("created_at", "queued_at", "dispatched_at", "deadline_at", "ended_at"),
        ("minimum", "soft_deadline", "soft_deadline_at", "synthesis_requested_at", "cancel_requested_at"),
        ("idempotency_key", "fingerprint"),
        "prompt_text",
        "final_text",
    )
    readonly_fields = flatten(fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MultiModelRun]:
        """With what one run's page names."""
        return super().get_queryset(request).select_related("owner", "thread", "prompt", "final", "chosen")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Looking is not enough to spend somebody's money: retry and stop ask for the right to change runs."""
        return request.user.has_perm("runs.change_multimodelrun")

    @admin.display(description="thread")
    def thread_link(self, run: MultiModelRun) -> SafeString:
        """A link to the conversation."""
        return _link("admin:threads_thread_change", run.thread_id, run.thread)

    @admin.display(description="prompt")
    def prompt_text(self, run: MultiModelRun) -> str:
        """What was asked."""
        return run.prompt.content

    @admin.display(description="final answer")
    def final_text(self, run: MultiModelRun) -> str:
        """What was answered."""
        return run.final.content if run.final else "-"

    @admin.action(description="Retry: ask again those who gave no draft", permissions=["operate"])
    def retry(self, request: HttpRequest, runs: QuerySet[MultiModelRun]) -> None:
        """Begin failed and stopped runs again."""
        self._do(request, runs, retry_run, "Retried")

    @admin.action(description="Stop", permissions=["operate"])
    def stop(self, request: HttpRequest, runs: QuerySet[MultiModelRun]) -> None:
        """Stop active runs."""
        self._do(request, runs, request_cancel, "Stopped")

    def _do(self, request: HttpRequest, runs: QuerySet[MultiModelRun], verb: Callable[[UUID], bool], done: str) -> None:
        ids = list(runs.values_list("pk", flat=True))
        changed = sum(_unless_refused(verb, run_id) for run_id in ids)
        self.message_user(
            request,
            f"{done} {changed} of {len(ids)} runs; the others were not in a state for it.",
            messages.SUCCESS if changed else messages.WARNING,
        )


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # only the stubs are generic
    """Every thumb."""

    list_display = ("verdict", "author", "kind", "person", "run", "given_at")
    list_filter = ("verdict", "generation__kind", "generation__model_id", "given_at")
    list_select_related = ("generation__run", "person")
    search_fields = ("person__username", "generation__model_id")
    search_help_text = "Person or model."
    ordering = ("-given_at",)
    show_full_result_count = False
    fields = readonly_fields = ("verdict", "author", "kind", "person", "run", "given_at")

    @admin.display(description="model", ordering="generation__model_id")
    def author(self, feedback: Feedback) -> str:
        """Whose text."""
        return feedback.generation.model_id

    @admin.display(description="kind", ordering="generation__kind")
    def kind(self, feedback: Feedback) -> str:
        """A draft or a synthesis."""
        return feedback.generation.get_kind_display()

    @admin.display(description="run")
    def run(self, feedback: Feedback) -> SafeString:
        """A link to the run with the text."""
        run = feedback.generation.run
        return _link("admin:runs_multimodelrun_change", run.pk, run)


def _unless_refused(verb: Callable[[UUID], bool], run_id: UUID) -> bool:
    try:
        return verb(run_id)
    except (ThreadBusy, Superseded, Refused, Thread.DoesNotExist):
        return False


def _turn(turn: Any) -> tuple[str, str]:
    """A turn's role and content; whatever is no turn, as JSON."""
    if isinstance(turn, dict) and set(turn) == {"role", "content"}:
        return turn["role"], turn["content"]
    return "", json.dumps(turn, indent=2, ensure_ascii=False)


def _link(page: str, about: object, label: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(page, args=[about]), label)


def _seconds(start: Any, end: Any) -> str:
    return f"{(end - start).total_seconds():.2f}" if start and end else "-"
