"""Why a connection fails, for the provider at hand: what to click where."""

from __future__ import annotations

from migrations_app.engine.providers import PROVIDERS, provider_by_key
from migrations_app.models import SourceType

NETWORK = ("timeout", "refused", "unreachable", "unknown_host", "not_allowed")
TLS = ("tls_required", "tls_refused", "ca_wrong", "ca_missing", "host_mismatch")
FIRST_TYPES = (
    SourceType.AWS_RDS,
    SourceType.AWS_AURORA,
    SourceType.GCP_CLOUD_SQL,
    SourceType.ON_PREMISES,
    SourceType.AZURE_VM,
)


def provider_hint(kind: str, *, host: str, source_type: str) -> str:
    """Return what to do at this provider about a cause, or an empty string."""
    key = provider_key(host, source_type=source_type)
    if not key:
        return ""
    provider = provider_by_key(key)
    if kind in NETWORK:
        return provider.network
    if kind in TLS:
        return provider.tls.advice
    return provider.login if kind == "wrong_password" else ""


def provider_key(host: str, *, source_type: str) -> str:
    """Return the provider whose domain ``host`` is in, else the source type (empty for a target)."""
    matching = (provider.key for provider in PROVIDERS if provider.recognizes_host(host))
    return next(matching, source_type)
