"""The connections under both SDKs, and what it means when one breaks."""

import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
import httpx2

from workers.providers.base import ErrorCode, ProviderError
from workers.providers.failures import failure

MAX_CONNECTIONS = 1000
"""Streams at once per provider and process. A number must be given: without one aiohttp stops at 100, in silence."""

BROKEN = (httpx2.HTTPError, aiohttp.ClientError, OSError)
"""What a transport may raise. The SDKs wrap most of it while they connect, and nothing while a body is read."""


def new_client(transport: type[httpx2.AsyncClient]) -> httpx2.AsyncClient:
    """A client for an SDK: no redirects (a key must not travel on) and no proxies out of the environment."""
    return transport(
        limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=30),
        follow_redirects=False,
        trust_env=False,
        # Only a certificate file of the machine's owner (SSL_CERT_FILE) is taken from the environment.
        verify=httpx2.create_ssl_context(),
    )


def timeout(connect: float) -> httpx2.Timeout:
    """The limits of one request. How long to read is the caller's to say: a clock of the transport's own for each chunk
    costs as much as the reading of it.
    """
    return httpx2.Timeout(None, connect=connect)


def is_address(url: str) -> bool:
    """Whether a request can be sent to this URL at all."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def broken(name: str, error: BaseException, *, answering: bool) -> ProviderError:
    """The failure that an exception of the transport means.

    A connection that takes too long to open counts as one that cannot be opened: nothing was asked yet.
    """
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError | ssl.CertificateError) for cause in causes):
        return ProviderError(
            ErrorCode.CONNECTION, f"The connection to {name} is not secure. Check the address and the certificate."
        )
    if any(isinstance(cause, httpx2.DecodingError | aiohttp.ClientResponseError) for cause in causes):
        return failure(ErrorCode.PROTOCOL, name)
    if answering:
        return ProviderError(ErrorCode.CONNECTION, f"The connection to {name} broke within its answer. Try again.")
    return failure(ErrorCode.CONNECTION, name)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
