"""The rows of a conversation: threads and their messages."""

import secrets
import uuid
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


def new_token() -> str:
    """A word that nobody can guess."""
    return secrets.token_urlsafe(32)


class ThreadQuerySet(models.QuerySet["Thread"]):
    """The one place that decides whose threads somebody sees."""

    def owned_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Conversations of this user: what a list shows and what an id may open. Lanes are never among them."""
        return self.filter(owner_id=user.pk, kind=Thread.Kind.CONVERSATION, deleted_at=None)

    def deleted_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Conversations that this user deleted and may still have back."""
        return self.filter(owner_id=user.pk, kind=Thread.Kind.CONVERSATION, deleted_at__isnull=False)


class Thread(models.Model):
    """A conversation of one owner, or the hidden lane in which one secondary model answers one prompt."""

    class Kind(models.TextChoices):
        """What a thread is for."""

        CONVERSATION = "conversation", "Conversation"
        LANE = "lane", "Lane"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="threads")
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.CONVERSATION)
    title = models.CharField(max_length=200, blank=True)
    system_prompt = models.TextField(blank=True, help_text="Goes in front of everything that a model is asked here.")
    branched_from = models.ForeignKey(
        "Message",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="lanes",
        help_text="The prompt that a lane answers; the conversation up to it is the lane's history.",
    )
    tip = models.ForeignKey(
        "Message",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The last prompt of the branch that is shown, and that the next prompt goes on with.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True, help_text="When something was last said in it.")
    pinned_at = models.DateTimeField(null=True, blank=True, help_text="Since when it stands on top of the list.")
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="When its owner deleted it; the sweeper removes it some time later."
    )

    objects = ThreadQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["owner", "-updated_at"], condition=Q(kind="conversation"), name="thread_of_owner_by_time"
            ),
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="thread_deleted"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["conversation", "lane"]), name="thread_kind_known"),
            models.CheckConstraint(
                condition=Q(kind="conversation", branched_from=None) | Q(kind="lane", branched_from__isnull=False),
                name="thread_lane_has_a_prompt",
            ),
        ]

    def __str__(self) -> str:
        return self.title or "New thread"


class Message(models.Model):
    """One turn in a thread."""

    class Role(models.TextChoices):
        """Who speaks."""

        USER = "user", "User"
        ASSISTANT = "assistant", "Assistant"

    class Kind(models.TextChoices):
        """What the turn is. Drafts are no part of the history that later prompts see."""

        PROMPT = "prompt", "Prompt"
        DRAFT = "draft", "Draft"
        FINAL = "final", "Final answer"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    role = models.CharField(max_length=9, choices=Role)
    kind = models.CharField(max_length=6, choices=Kind)
    content = models.TextField()
    model_id = models.CharField(max_length=200, blank=True, help_text="provider:model; empty for a person's turn.")
    position = models.PositiveIntegerField(help_text="Order of arrival within the thread.")
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="replies",
        help_text="The turn that this one follows; editing a prompt makes a sibling.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["thread", "position"], name="message_position_once_a_thread"),
            models.CheckConstraint(condition=Q(kind__in=["prompt", "draft", "final"]), name="message_kind_known"),
            models.CheckConstraint(condition=Q(role__in=["user", "assistant"]), name="message_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.position}"


class Share(models.Model):
    """A link under which everybody may read a thread, up to the turn at which it was shared, until it is revoked."""

    thread = models.OneToOneField(Thread, on_delete=models.CASCADE, related_name="share")
    token = models.CharField(max_length=43, unique=True, default=new_token, editable=False)
    tip = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="+", help_text="The last prompt that may be read."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Link to {self.thread_id}"


class Preferences(models.Model):
    """How one person wants the pages to be. Without a row, everything is as it is for somebody who never chose."""

    class Theme(models.TextChoices):
        """Light or dark."""

        SYSTEM = "system", _("As the system has it")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class SendKey(models.TextChoices):
        """Which key sends a prompt; Shift+Enter begins a new line either way."""

        ENTER = "enter", _("Enter")
        CTRL_ENTER = "ctrl-enter", _("Ctrl+Enter")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="preferences"
    )
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    send_key = models.CharField(max_length=10, choices=SendKey, default=SendKey.ENTER)
    language = models.CharField(max_length=10, blank=True, help_text="Empty: what the browser asks for.")
    single_keys = models.BooleanField(
        default=True, help_text="Whether single characters are shortcuts; who speaks to a computer needs them off."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(theme__in=["system", "light", "dark"]), name="preferences_theme_known"),
            models.CheckConstraint(condition=Q(send_key__in=["enter", "ctrl-enter"]), name="preferences_key_known"),
        ]

    def __str__(self) -> str:
        return f"Preferences of {self.user_id}"
