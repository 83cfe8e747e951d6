"""A run and its generations. Their states change only in ``runs.actions``."""

import uuid
from typing import Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from threads.models import Message, Thread


class RunStatus(models.TextChoices):
    """How far a run is."""

    QUEUED = "queued", "Queued"
    """Saved; nobody has launched it yet, since the broker was away."""
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
    CHOSEN = "chosen", "A draft that a person chose"
    NONE = "none", "No answer"


class RunQuerySet(models.QuerySet["MultiModelRun"]):
    """Runs as their owners may see them."""

    def owned_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """The runs in conversations of this user."""
        return self.filter(thread__in=Thread.objects.owned_by(user))


class GenerationQuerySet(models.QuerySet["Generation"]):
    """Generations as their owners may see them."""

    def owned_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """The generations of runs in conversations of this user."""
        return self.filter(run__thread__in=Thread.objects.owned_by(user))


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
    chosen = models.ForeignKey(
        "Generation",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="chosen_for",
        help_text="The draft that a person made the final answer.",
    )
    master_model = models.CharField(
        max_length=200, help_text="The model that writes the final answer (provider:model)."
    )
    status = models.CharField(max_length=12, choices=RunStatus, default=RunStatus.QUEUED)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 (NULLs are not unique)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="SHA-256 of what was asked with that key.")
    minimum = models.PositiveSmallIntegerField(default=1, help_text="How many drafts the final answer needs at least.")
    soft_deadline = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Seconds after which the final answer begins without those who are still writing.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField(db_default=Now(), help_text="When it last began to wait for a worker.")
    dispatched_at = models.DateTimeField(null=True, blank=True)
    soft_deadline_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    synthesis_requested_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody asked for the final answer from what is there."
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)

    begun_with: "list[Generation]"
    """Of a run that was just made, and of no other: its candidates, as whoever shows or launches it need not read them
    again."""

    objects = RunQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["thread", "created_at"], name="run_of_thread_by_time"),
            # One for each state: SQLite uses a partial index only where the query names exactly its condition.
            models.Index(fields=["queued_at"], condition=Q(status="queued"), name="run_queued"),
            models.Index(fields=["soft_deadline_at"], condition=Q(status="answering"), name="run_answering"),
            models.Index(fields=["deadline_at"], condition=Q(status="synthesizing"), name="run_synthesizing"),
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
    position = models.PositiveSmallIntegerField(
        default=0, help_text="Order of the cards: the master is 0. Of a synthesis: 0 the master, then its fallbacks."
    )
    version = models.PositiveSmallIntegerField(default=1, help_text="Several syntheses of one run may exist.")
    current = models.BooleanField(
        default=True, help_text="The version that counts; a further one does not until it is whole."
    )
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
    queued_at = models.DateTimeField(
        null=True, blank=True, help_text="When it began to wait for its first attempt; empty once that has begun."
    )
    next_retry_at = models.DateTimeField(null=True, blank=True, help_text="When the sweeper may enqueue it again.")
    waiting_for = models.CharField(
        max_length=100, blank=True, help_text="The provider whose limit of requests holds it up."
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True, help_text="When somebody stopped this one.")
    late = models.BooleanField(default=False, help_text="It came to its end after the final answer had begun.")

    text = models.TextField(blank=True, help_text="What has come so far, as of the last checkpoint.")
    reasoning = models.TextField(blank=True, help_text="What the model thought aloud; never part of a draft.")
    reasoning_shortened = models.BooleanField(default=False, help_text="It thought more than is kept.")
    reasoning_seconds = models.FloatField(null=True, blank=True, help_text="How long it thought; empty while it does.")
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

    objects = GenerationQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "position", "version"]
        indexes = [
            models.Index(fields=["next_retry_at"], condition=Q(status="queued"), name="generation_queued"),
            models.Index(fields=["lease_expires_at"], condition=Q(status="streaming"), name="generation_streaming"),
            # What a model took lately, for the estimate before a prompt is sent.
            models.Index(
                fields=["model_id", "kind", "-ended_at"], condition=Q(status="completed"), name="generation_took"
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

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it stands among those of its run: the order of the model, for rows that were read without it."""
        return self.kind, self.position, self.version


class Council(models.Model):
    """A named choice of models that one person keeps."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="councils")
    name = models.CharField(max_length=80)
    master_model = models.CharField(max_length=200)
    secondary_models = models.JSONField(default=list, help_text="Model ids; one may stand there twice.")
    minimum = models.PositiveSmallIntegerField(default=1, help_text="As in a run.")
    soft_deadline = models.PositiveIntegerField(null=True, blank=True, help_text="As in a run.")
    is_default = models.BooleanField(default=False, help_text="What a new thread begins with.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="council_name_once_an_owner"),
            models.UniqueConstraint(
                fields=["owner"], condition=Q(is_default=True), name="council_one_default_an_owner"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Feedback(models.Model):
    """What a person thinks of one text."""

    class Verdict(models.TextChoices):
        """A thumb."""

        UP = "up", "Good"
        DOWN = "down", "Bad"

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="feedback")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="feedback")
    verdict = models.CharField(max_length=4, choices=Verdict)
    given_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(fields=["person", "generation"], name="feedback_once_a_person"),
            models.CheckConstraint(condition=Q(verdict__in=["up", "down"]), name="feedback_verdict_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()}: {self.generation}"


class ProviderGate(models.Model):
    """The one row through which every worker asks whether a provider takes one more request now."""

    provider = models.CharField(max_length=100, primary_key=True)
    next_free_at = models.DateTimeField(
        db_default=Now(), help_text="When the requests so far would have left at the provider's even pace."
    )

    def __str__(self) -> str:
        return self.provider
