"""Which modes a kind of source can be migrated in; the wizard and the command line ask here."""

from __future__ import annotations

from migrations_app.engine.errors import ModeNotPossible
from migrations_app.engine.providers import provider_by_key
from migrations_app.engine.spec import MigrationMode

CHOOSE_OFFLINE = "Choose the mode Offline."


def why_offline_only(source_type: str) -> str:
    """Return why a kind of source can be moved offline only, or an empty string."""
    provider = provider_by_key(source_type)
    return "" if provider.can_online else f"{provider.name} cannot be migrated online. {provider.why_offline_only}"


def require_possible_mode(source_type: str, *, mode: str) -> None:
    """Raise ``ModeNotPossible`` for a mode that the kind of source does not allow."""
    if mode == MigrationMode.ONLINE and (why := why_offline_only(source_type)):
        raise ModeNotPossible(why, hint=CHOOSE_OFFLINE)
