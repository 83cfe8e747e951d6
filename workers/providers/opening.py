"""The first bytes of a body, kept until its first event, to tell what it is when there is none."""

import json

from workers.providers.base import ProviderError
from workers.providers.failures import code_of_error, failure, protocol_failure

_KEPT = 65_536


class Opening:
    """Watches the start of one body."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._is_stream = False

    def add(self, chunk: bytes) -> None:
        """The next bytes."""
        if not self._is_stream and len(self._bytes) < _KEPT:
            self._bytes += chunk

    def saw_event(self) -> None:
        """It is a stream of events."""
        self._is_stream = True

    def check(self, name: str) -> None:
        """Say what the whole body was, if not a stream.

        Raises:
            ProviderError: it was not.
        """
        if self._is_stream:
            return
        start = self._bytes.lstrip()
        if start.startswith(b"<"):
            raise _web_page(name)
        if start.startswith(b"{"):
            raise _json(name, bytes(start))
        raise protocol_failure(name, "answered without saying anything.")


def _web_page(name: str) -> ProviderError:
    return protocol_failure(name, "answered with a web page, as a wrong address or a proxy in between does.")


def _json(name: str, body: bytes) -> ProviderError:
    """Some gateways send their errors as a success."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and "error" in value:
        return failure(code_of_error(value), name)
    return protocol_failure(name, "answered with something other than a stream.")
