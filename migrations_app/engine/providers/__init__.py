"""Which provider runs a server, and what on it is the provider's own."""

from __future__ import annotations

from migrations_app.engine.providers.amazon import AMAZON_AURORA, AMAZON_RDS
from migrations_app.engine.providers.azure import AZURE_FLEXIBLE, AZURE_SINGLE
from migrations_app.engine.providers.google import GOOGLE_ALLOYDB, GOOGLE_CLOUD_SQL
from migrations_app.engine.providers.others import (
    AIVEN,
    CRUNCHY,
    DIGITAL_OCEAN,
    EDB,
    NEON,
    SELF_HOSTED,
    SUPABASE,
)
from migrations_app.engine.providers.provider import Provider

# The first with the strongest evidence wins: Aurora shows all of RDS, flexible server some of single server.
PROVIDERS = (
    AMAZON_AURORA,
    AMAZON_RDS,
    GOOGLE_CLOUD_SQL,
    GOOGLE_ALLOYDB,
    AZURE_SINGLE,
    AZURE_FLEXIBLE,
    NEON,
    SUPABASE,
    DIGITAL_OCEAN,
    AIVEN,
    CRUNCHY,
    EDB,
    SELF_HOSTED,
)


def provider_by_key(key: str) -> Provider:
    """Return the provider with ``key``; servers of an unknown kind are treated as self-hosted."""
    return next((provider for provider in PROVIDERS if provider.key == key), SELF_HOSTED)


__all__ = ["PROVIDERS", "SELF_HOSTED", "Provider", "provider_by_key"]
