"""Threads and messages for those who look after a copy: to read, not to change."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from threads.models import Message, Thread

PERSON_IS_DELETED = {"admin:auth_user_delete", "admin:auth_user_changelist"}


class ReadOnly:
    """Rows change by actions alone, so nobody adds, edits or deletes one here."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only together with its owner: a person's account can be deleted, with all that is theirs."""
        match = request.resolver_match
        of_a_person = match is not None and match.view_name in PERSON_IS_DELETED
        return of_a_person and bool(getattr(request.user, "is_superuser", False))


class MessageInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # only the stubs are generic
    """What was said in a thread."""

    model = Message
    fields = ("position", "kind", "model_id", "content", "created_at")
    readonly_fields = fields
    ordering = ("position",)
    show_change_link = True


@admin.register(Thread)
class ThreadAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # only the stubs are generic
    """Conversations and lanes."""

    list_display = ("__str__", "owner", "kind", "created_at", "updated_at")
    list_filter = ("kind", "created_at")
    list_select_related = ("owner",)
    search_fields = ("title", "owner__username")
    search_help_text = "Title or owner."
    ordering = ("-updated_at",)
    show_full_result_count = False
    fields = (
        *("id", "owner", "kind", "title", "system_prompt", "branched_from"),
        *("created_at", "updated_at", "pinned_at", "deleted_at"),
    )
    readonly_fields = fields
    inlines = (MessageInline,)


@admin.register(Message)
class MessageAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # only the stubs are generic
    """Every turn of every thread."""

    list_display = ("beginning", "kind", "model_id", "thread", "position", "created_at")
    list_filter = ("kind", "role", "created_at")
    list_select_related = ("thread",)
    search_fields = ("content", "thread__owner__username")
    search_help_text = "Text or owner."
    ordering = ("-created_at",)
    show_full_result_count = False
    fields = ("id", "thread", "role", "kind", "model_id", "position", "parent", "content", "created_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """With the owner, whom a thread's page names."""
        return super().get_queryset(request).select_related("thread", "parent")

    @admin.display(description="text")
    def beginning(self, message: Message) -> Any:
        """The first words."""
        return Truncator(message.content).chars(80)
