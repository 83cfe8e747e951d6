"""A run and its generations. Their states change only in ``runs.actions``."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from threads.models import Message, Thread


class RunStatus(models.TextChoices):
    """How far a run is."""

    QUEUED = "queued", "Queued"
    """Saved; no worker has taken it up yet."""
    ANSWERING = "answering", "Answering"
    """The models are writing their drafts."""
    SYNTHESIZING = "synthesizing", "Synthesizing"
    """Every draft has ended; the master writes the final answer."""
    COMPLETED = "completed", "Completed"
    """The final answer stands in the thread."""
    FAILED = "failed", "Failed"
    """There is no answer; the error says why."""
    CANCELLED = "cancelled", "Stopped"
    """A person stopped it; the drafts so far are kept."""


class GenerationStatus(models.TextChoices):
    """How far a generation is."""

    QUEUED = "queued", "Queued"
    """Waits for a worker, for the first time or again."""
    STREAMING = "streaming", "Streaming"
    """A worker holds its lease and reads the model's text."""
    COMPLETED = "completed", "Completed"
    """The whole text is here."""
    FAILED = "failed", "Failed"
    """It ended without its whole text; the error says why, what came is kept."""
    CANCELLED = "cancelled", "Stopped"
    """A person stopped it; what came is kept."""


RUN_ACTIVE = (RunStatus.QUEUED, RunStatus.ANSWERING, RunStatus.SYNTHESIZING)
GENERATION_ACTIVE = (GenerationStatus.QUEUED, GenerationStatus.STREAMING)


class Outcome(models.TextChoices):
    """What a run's answer rests on."""

    FULL = "full", "From every model"
    DEGRADED = "degraded", "From some of the models"
    SINGLE = "single", "One model's own answer"
    NONE = "none", "No answer"


class MultiModelRun(models.Model):
    """One prompt given to one master and some secondary models, until its final answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="runs")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="runs")
    prompt = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="run")
    final = models.OneToOneField(
        Message,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="final_of",
        help_text="The final answer.",
    )
    master_model = models.CharField(
        max_length=200, help_text="The model that writes the final answer (provider:model)."
    )
    status = models.CharField(max_length=12, choices=RunStatus, default=RunStatus.QUEUED)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 (NULLs are not unique)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="SHA-256 of what was asked with that key.")
    created_at = models.DateTimeField(auto_now_add=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["thread", "created_at"], name="run_of_thread_by_time"),
            models.Index(
                fields=["status", "deadline_at"],
                condition=Q(status__in=["queued", "answering", "synthesizing"]),
                name="run_active",
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="run_status_known"),
            models.CheckConstraint(condition=Q(outcome__in=["", *Outcome.values]), name="run_outcome_known"),
            models.UniqueConstraint(fields=["owner", "idempotency_key"], name="run_idempotency_key_once_an_owner"),
            models.UniqueConstraint(
                fields=["thread"],
                condition=Q(status__in=["queued", "answering", "synthesizing"]),
                name="run_active_once_a_thread",
            ),
        ]

    def __str__(self) -> str:
        return f"Run {str(self.pk)[:8]}"


class Generation(models.Model):
    """One model producing one text within a run."""

    class Kind(models.TextChoices):
        """What the text is for."""

        CANDIDATE = "candidate", "Candidate"
        SYNTHESIS = "synthesis", "Synthesis"

    class Role(models.TextChoices):
        """Which part its model plays in the run."""

        MASTER = "master", "Master"
        SECONDARY = "secondary", "Secondary"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(MultiModelRun, on_delete=models.CASCADE, related_name="generations")
    kind = models.CharField(max_length=9, choices=Kind, default=Kind.CANDIDATE)
    role = models.CharField(max_length=9, choices=Role)
    position = models.PositiveSmallIntegerField(default=0, help_text="Order of the cards: the master is 0.")
    version = models.PositiveSmallIntegerField(default=1, help_text="Several syntheses of one run may exist.")
    current = models.BooleanField(default=True, help_text="The version that counts.")
    model_id = models.CharField(max_length=200)
    thread = models.ForeignKey(
        Thread, on_delete=models.CASCADE, related_name="generations", help_text="The lane, or the master's thread."
    )
    message = models.OneToOneField(
        Message,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="generation",
        help_text="Its text, once whole.",
    )
    status = models.CharField(max_length=9, choices=GenerationStatus, default=GenerationStatus.QUEUED)

    attempt = models.PositiveSmallIntegerField(default=0, help_text="Which try it is; each starts from an empty text.")
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="Attempts that ended in an error or a lost worker."
    )
    lease_owner = models.UUIDField(
        null=True, blank=True, help_text="The delivery that may write; fresh for each claim."
    )
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    next_retry_at = models.DateTimeField(null=True, blank=True, help_text="When the sweeper may enqueue it again.")

    text = models.TextField(blank=True, help_text="What has come so far, as of the last checkpoint.")
    finish_reason = models.CharField(max_length=20, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)

    sent_prompt = models.JSONField(null=True, blank=True, help_text="Exactly what was sent to the model.")
    labels = models.JSONField(null=True, blank=True, help_text="Synthesis: letter -> generation id.")
    shuffle_seed = models.BigIntegerField(null=True, blank=True, help_text="Synthesis: what ordered the letters.")

    tokens_in = models.PositiveIntegerField(null=True, blank=True)
    tokens_out = models.PositiveIntegerField(null=True, blank=True)
    tokens_cached = models.PositiveIntegerField(null=True, blank=True)
    tokens_reasoning = models.PositiveIntegerField(null=True, blank=True)
    cost = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True, help_text="US dollars.")

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True, help_text="When this attempt was claimed.")
    first_token_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["kind", "position", "version"]
        indexes = [
            models.Index(
                fields=["status", "lease_expires_at", "next_retry_at"],
                condition=Q(status__in=["queued", "streaming"]),
                name="generation_active",
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=GenerationStatus.values), name="generation_status_known"),
            models.CheckConstraint(condition=Q(kind__in=["candidate", "synthesis"]), name="generation_kind_known"),
            models.CheckConstraint(condition=Q(role__in=["master", "secondary"]), name="generation_role_known"),
            models.UniqueConstraint(fields=["run", "kind", "position", "version"], name="generation_once_a_place"),
            models.UniqueConstraint(
                fields=["run"], condition=Q(kind="synthesis", current=True), name="generation_one_current_synthesis"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.model_id}"
