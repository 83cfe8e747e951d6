"""The Celery application: every value comes from the Django settings that start with ``CELERY_``."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

from chatproject import memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")

app = Celery("polyphony", amqp="runs.broker:Messages")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workers"])


@worker_ready.connect
def _settle(**_about: Any) -> None:
    memory.settle()
