"""What the settings find on this machine: the secret key, a running embedded broker, configured providers."""

import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from chatproject import env


class ProviderSettings(TypedDict):
    """How one provider is reached."""

    kind: str
    """The wire: ``openai``, ``anthropic``, ``compatible`` or ``demo``."""
    label: str
    """What people call it; empty for its name."""
    base_url: str
    """Empty for the vendor's own address."""
    api_key: str
    models: list[str]
    """Model names that need no entry in the models file."""
    configured: bool
    needs: str
    """The sentence that says what to set when it is not configured."""


def var_dir(base_dir: Path) -> Path:
    """Where this copy keeps its database, broker data and secret key."""
    return (base_dir / env.text("VAR_DIR", "var")).resolve()


def address() -> tuple[str, int]:
    """Where the page is served."""
    return env.text("HOST", "127.0.0.1"), env.number("PORT", 8000, high=65_535)


def public_url() -> str:
    """The address that people type; it differs from HOST and PORT behind a proxy."""
    host, port = address()
    return env.url("PUBLIC_URL", f"http://{written(reachable(host))}:{port}", ("http", "https")).rstrip("/")


def known_hosts() -> list[str]:
    """The names under which a browser may ask for the page: this machine's own, HOST and that of the public address."""
    return ["localhost", "127.0.0.1", "[::1]", written(address()[0]), urlsplit(public_url()).hostname or "localhost"]


def reachable(host: str) -> str:
    """How a server on this host is reached from the same machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- a server on every address


def written(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def redis_url() -> str:
    """The configured Redis, or nothing."""
    return env.url("REDIS_URL", "", ("redis", "rediss", "unix"))


def secret_key(var_dir: Path) -> str:
    """The key of this copy, made on first use and kept beside its database, so that sign-ins outlive a restart."""
    path = var_dir / "secret_key"
    if not path.exists():
        var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"secret_key.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)  # of several processes that start at once, one wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def cookie_name(name: str, key: str) -> str:
    """A cookie's name in this copy: a browser sends cookies to every port, so copies on one machine need their own.

    Machines that serve one copy together share its secret key, and so their sign-ins.
    """
    return f"{name}_{hashlib.sha256(f'cookie name {key}'.encode()).hexdigest()[:6]}"


def running_broker(var_dir: Path) -> str:
    """The address of the embedded broker that ``make run`` left for other commands of this folder, or nothing."""
    path = var_dir / "redis.url"
    address = path.read_text().strip() if path.exists() else ""
    left_behind = address.startswith("unix://") and not Path(address.removeprefix("unix://")).exists()
    return "" if left_behind else address


def providers() -> dict[str, ProviderSettings]:
    """Every provider by name: the two vendors, those of ``COMPATIBLE_PROVIDERS``, the local toy and the demo."""
    found = {"openai": _vendor("openai", "OpenAI"), "anthropic": _vendor("anthropic", "Anthropic")}
    for entry in env.words("COMPATIBLE_PROVIDERS"):
        name, _, base_url = entry.partition("=")
        if (
            not re.fullmatch(r"[a-z][a-z0-9-]*", name)
            or not base_url.startswith(("http://", "https://"))
            or name in found
        ):
            raise ImproperlyConfigured(
                "COMPATIBLE_PROVIDERS must be a list like ollama=http://127.0.0.1:11434/v1,vllm=http://…/v1, with each"
                " name in small letters and used once. Correct its value and start again."
            )
        found[name] = _compatible(name, base_url)
    if local := env.text("LOCAL_MODEL_URL"):
        found["local"] = _provider("compatible", base_url=local, models=["smollm2-135m"])
    anything = any(provider["configured"] for provider in found.values())
    demo = env.choice("DEMO", "auto", ("auto", "on", "off"))
    found["demo"] = _provider(
        "demo",
        configured=demo == "on" or (demo == "auto" and not anything),
        needs="Set DEMO=on to use the demo models.",
    )
    return found


class ProviderLimits(TypedDict):
    """What a provider takes from all workers together; ``None`` for as much as comes."""

    at_once: int | None
    per_minute: int | None


def provider_limits(providers: Mapping[str, object]) -> dict[str, ProviderLimits]:
    """The limits of ``PROVIDER_AT_ONCE`` and ``PROVIDER_PER_MINUTE`` by provider."""
    at_once = _numbers("PROVIDER_AT_ONCE", providers)
    per_minute = _numbers("PROVIDER_PER_MINUTE", providers)
    return {
        name: {"at_once": at_once.get(name), "per_minute": per_minute.get(name)} for name in {*at_once, *per_minute}
    }


def _numbers(variable: str, providers: Mapping[str, object]) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in env.words(variable):
        name, _, number = entry.partition("=")
        if name not in providers or not number.isdecimal() or not int(number) or name in found:
            raise ImproperlyConfigured(
                f"{variable} must be a list like openai=20,local=1 of known providers (here: {', '.join(providers)}),"
                " each with a whole number above 0. Correct its value and start again."
            )
        found[name] = int(number)
    return found


def _vendor(name: str, label: str) -> ProviderSettings:
    key = env.text(f"{name.upper()}_API_KEY")
    return _provider(
        name,
        label=label,
        base_url=env.text(f"{name.upper()}_BASE_URL"),
        api_key=key,
        configured=bool(key),
        needs=f"Set {name.upper()}_API_KEY and restart, or choose another model.",
    )


def _compatible(name: str, base_url: str) -> ProviderSettings:
    prefix = f"COMPATIBLE_{name.upper().replace('-', '_')}"
    return _provider(
        "compatible", base_url=base_url, api_key=env.text(f"{prefix}_API_KEY"), models=env.words(f"{prefix}_MODELS")
    )


def _provider(
    kind: str,
    *,
    label: str = "",
    base_url: str = "",
    api_key: str = "",
    models: list[str] | None = None,
    configured: bool = True,
    needs: str = "",
) -> ProviderSettings:
    return {
        "kind": kind,
        "label": label,
        "base_url": base_url,
        "api_key": api_key,
        "models": models or [],
        "configured": configured,
        "needs": needs,
    }
