"""What the conversation tells to whoever stands above it."""

from django.dispatch import Signal

thread_deleted = Signal()
"""A thread was deleted, in this transaction; ``thread`` names it. What is under way in it is to be stopped."""
