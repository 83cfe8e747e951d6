"""What a provider takes from all workers together: so many requests at once, so many a minute.

The count is of rows, so it survives a broker that forgets; only providers that have a limit pay for it. Who must wait
stands in a line ordered by the age of the runs, so that the final answer of an old run goes before new drafts.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Now

from runs.models import Generation, GenerationStatus, ProviderGate

RECHECK = timedelta(seconds=5)
"""How long a generation waits for others to end, and wake it, before the sweeper lets it try again."""
BURST = timedelta(seconds=5)
"""Requests of this much time may leave at once when a provider was idle; then they follow its even pace."""


def provider_of(model_id: str) -> str:
    """The part before the colon."""
    return model_id.partition(":")[0]


def has_limit(model_id: str) -> bool:
    """Whether the provider of this model takes only so many requests."""
    return provider_of(model_id) in settings.PROVIDER_LIMITS


def wait(generation: Generation) -> timedelta | None:
    """How long this generation, which was just claimed, must wait for its provider; ``None`` when it may ask now.

    Inside the transaction of the claim, which the caller undoes when it must wait.
    """
    provider = provider_of(generation.model_id)
    limits = settings.PROVIDER_LIMITS.get(provider)
    if limits is None:
        return None
    _hold_gate(provider)
    ahead = waiting(provider).filter(run__created_at__lt=generation.run.created_at).count()
    if limits["at_once"] and _streaming(provider) + ahead > limits["at_once"]:
        return RECHECK
    if limits["per_minute"]:
        return _wait_for_pace(provider, timedelta(minutes=1) / limits["per_minute"], ahead)
    return None


def next_in_line(provider: str) -> Generation | None:
    """Who waits longest for this provider, to be woken when a request has ended."""
    if provider not in settings.PROVIDER_LIMITS:
        return None
    return waiting(provider).select_related("run").order_by("run__created_at", "kind", "position").first()


def waiting(provider: str) -> "QuerySet[Generation]":
    """The line before a provider."""
    return Generation.objects.filter(status=GenerationStatus.QUEUED, waiting_for=provider, cancel_requested_at=None)


def _hold_gate(provider: str) -> None:
    """Until the transaction ends nobody else passes this gate."""
    gates = ProviderGate.objects.filter(provider=provider).select_for_update()
    if not gates:
        ProviderGate.objects.bulk_create([ProviderGate(provider=provider)], ignore_conflicts=True)
        gates.get()


def _streaming(provider: str) -> int:
    """How many requests are under way, this one among them."""
    streaming = Generation.objects.filter(status=GenerationStatus.STREAMING)
    return streaming.filter(model_id__startswith=f"{provider}:").count()


def _wait_for_pace(provider: str, step: timedelta, ahead: int) -> timedelta | None:
    """Take the next place at an even pace, or say how long until there is one (the generic cell rate algorithm)."""
    free = ProviderGate.objects.filter(provider=provider, next_free_at__lte=Now() + max(BURST - step, timedelta()))
    if not ahead and free.update(next_free_at=Greatest(F("next_free_at"), Now()) + step):
        return None
    return step * (1 + ahead)
