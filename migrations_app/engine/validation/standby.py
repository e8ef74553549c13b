"""Whether an address is that of a standby, which several rules ask."""

from __future__ import annotations

from migrations_app.engine.validation.context import SeenServer


def is_standby_or_reader(seen: SeenServer) -> bool:
    """Tell whether the server is in recovery, or its host name leads to readers."""
    kind = seen.provider.endpoint_kind(seen.facts.host, seen.facts.port)
    return seen.facts.settings.in_recovery or (kind is not None and kind.reads_only)
