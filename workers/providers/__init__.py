"""Find the provider of a model. Vendor SDKs cost seconds to import, so each is imported on first use."""

from collections.abc import Callable
from importlib import import_module

from workers.providers.base import Provider, Reach

_CLASSES = {
    "openai": "workers.providers.openai.OpenAIProvider",
    "compatible": "workers.providers.compatible.CompatibleProvider",
    "anthropic": "workers.providers.anthropic.AnthropicProvider",
    "demo": "workers.providers.demo.DemoProvider",
}


def open_provider(reach: Reach) -> Provider:
    """A new provider for this address and key; keep it, since making one costs about 30 ms.

    Raises:
        KeyError: there is no provider of this kind.
    """
    module, _, name = _CLASSES[reach.kind].rpartition(".")
    make: Callable[[Reach], Provider] = getattr(import_module(module), name)
    return make(reach)
