from django.apps import AppConfig


class RunsConfig(AppConfig):
    """What was asked of several models and how far it is. Knows no vendor and no task code."""

    name = "runs"

    def ready(self) -> None:
        """Read the catalogue now, so that a mistake in the models file stops the start and not the first run."""
        from runs import catalogue, checks, deleting  # noqa: F401, PLC0415  (all need the app registry)

        catalogue.models()
