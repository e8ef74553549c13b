"""Which provider runs a server, what on it is the provider's own, and how things are done there."""

from __future__ import annotations

from migrations_app.engine.providers.aiven import AIVEN
from migrations_app.engine.providers.amazon import AMAZON_AURORA, AMAZON_RDS, AMAZON_RDS_CLUSTER
from migrations_app.engine.providers.azure import AZURE_COSMOS, AZURE_FLEXIBLE, AZURE_SINGLE
from migrations_app.engine.providers.crunchy import CRUNCHY
from migrations_app.engine.providers.digital_ocean import DIGITAL_OCEAN
from migrations_app.engine.providers.edb import EDB, EDB_ANY, EDB_POSTGRESQL
from migrations_app.engine.providers.google import GOOGLE_ALLOYDB, GOOGLE_CLOUD_SQL
from migrations_app.engine.providers.heroku import HEROKU
from migrations_app.engine.providers.neon import NEON
from migrations_app.engine.providers.other_services import AMAZON_OTHER, APSARA, GOOGLE_OTHER, HUAWEI_RDS
from migrations_app.engine.providers.parameters import how_to_allow_replication, how_to_set
from migrations_app.engine.providers.provider import EndpointKind, Prerequisite, Provider, Remedy
from migrations_app.engine.providers.self_hosted import (
    AMAZON_EC2,
    AZURE_VM,
    DROPLET,
    GOOGLE_COMPUTE,
    HUAWEI_COMPUTE,
    OTHER,
    SELF_HOSTED,
)
from migrations_app.engine.providers.supabase import SUPABASE

# The first with the strongest evidence wins: Aurora shows all of RDS, flexible server some of single server.
PROVIDERS = (
    AMAZON_AURORA,
    AMAZON_RDS_CLUSTER,
    AMAZON_RDS,
    GOOGLE_CLOUD_SQL,
    GOOGLE_ALLOYDB,
    AZURE_SINGLE,
    AZURE_FLEXIBLE,
    AZURE_COSMOS,
    NEON,
    SUPABASE,
    DIGITAL_OCEAN,
    AIVEN,
    CRUNCHY,
    EDB,
    APSARA,
    HUAWEI_RDS,
    HEROKU,
    SELF_HOSTED,
    AZURE_VM,
    AMAZON_EC2,
    GOOGLE_COMPUTE,
    DROPLET,
    HUAWEI_COMPUTE,
    EDB_POSTGRESQL,
    EDB_ANY,
    AMAZON_OTHER,
    GOOGLE_OTHER,
    OTHER,
)


def provider_by_key(key: str) -> Provider:
    """Return the provider with ``key``; servers of an unknown kind are treated as self-hosted."""
    return next((provider for provider in PROVIDERS if provider.key == key), SELF_HOSTED)


__all__ = [
    "PROVIDERS",
    "SELF_HOSTED",
    "EndpointKind",
    "Prerequisite",
    "Provider",
    "Remedy",
    "how_to_allow_replication",
    "how_to_set",
    "provider_by_key",
]
