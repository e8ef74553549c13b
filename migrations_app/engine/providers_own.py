"""What on a server is its provider's own, and what is told of it when it is left out."""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.providers import Provider

PROVIDERS_OWN = "PM4021"
OWNER_NOT_COPIED = "PM4022"
SYSTEM_GRANTS = "PM4023"
PUBLIC_KEPT = "PM4024"
EXTENSION_COMMENT = "PM4025"
SHOWN = 20


def is_role_of(provider: Provider, role: str) -> bool:
    """Tell whether a role is the provider's; PostgreSQL's own roles (``pg_…``) are on every server and are not."""
    return provider.owns_role(role) and not role.startswith("pg_")


def is_setting_of(provider: Provider, setting: str) -> bool:
    """Tell whether a setting's prefix is one that only this provider's servers know, such as ``rds.``."""
    prefixes = {name.partition(".")[0] for name in provider.settings if "." in name}
    return "." in setting and setting.partition(".")[0] in prefixes


def left_out(
    provider: Provider, noun: str, names: Sequence[str], *, statements: Sequence[str] = (), phase: str
) -> Finding:
    """Return what tells once that something of the provider's own is not copied. ``noun`` is in the plural."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return Finding(
        PROVIDERS_OWN,
        Level.INFO,
        f"{provider.name}: {noun}",
        f"Left out, because they are the provider's own: {', '.join(names[:SHOWN])}{more}.",
        why="They work on this provider's servers only; the target has its own.",
        fix="Nothing has to be done, unless your application relies on them.",
        statement="\n".join(statements),
        phase=phase,
        side=FindingSide.TARGET,
    )
