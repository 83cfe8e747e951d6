from django.apps import AppConfig


class ThreadsConfig(AppConfig):
    """The conversation. Knows nothing of runs, models or workers."""

    name = "threads"
