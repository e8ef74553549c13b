"""What only a flexible server of Azure tells about itself."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.postgres.queries.reading import fetch_one
from migrations_app.engine.validation.context import ServerContext

AZURE_KEY = "PostgreSQLFlexibleServer"


@dataclass(frozen=True)
class AzureFacts:
    """A row of queries/validation_azure.sql; a setting is None where the server has no such."""

    is_admin: bool
    accepted_methods: str | None
    local_ssd: str | None


def on_azure(context: ServerContext) -> bool:
    """Tell whether the target is a flexible server."""
    return context.target.facts.provider == AZURE_KEY


def read_azure(context: ServerContext) -> AzureFacts:
    """Read what the flexible server tells."""
    with context.target.connected() as connection:
        return fetch_one(connection, "validation_azure", AzureFacts)
