"""What a provider of PostgreSQL is: how it is recognized, and what on its servers is its own."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """One kind of PostgreSQL service.

    ``settings``, ``marker_roles`` and ``databases`` are traces that only this provider leaves; ``databases`` are
    also its own and never offered. ``host_pattern`` is a hint only, ``pooler_pattern`` tells host names (``host:port``)
    that lead to a connection pooler. ``role_pattern``, ``schemas`` and ``extensions`` are the provider's, never copied.
    """

    key: str
    name: str
    settings: tuple[str, ...] = ()
    marker_roles: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    has_aurora_version: bool = False
    version_word: str = ""
    host_pattern: str = r"(?!)"
    pooler_pattern: str = r"(?!)"
    role_pattern: str = r"(?!)"
    schemas: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()

    def owns_role(self, role: str) -> bool:
        """Tell whether ``role`` belongs to PostgreSQL or to this provider and is never copied."""
        return role.startswith("pg_") or role in self.marker_roles or bool(re.search(self.role_pattern, role))

    def owns_database(self, database: str) -> bool:
        """Tell whether ``database`` belongs to this provider and is never offered."""
        return database in self.databases

    def owns_schema(self, schema: str) -> bool:
        """Tell whether ``schema`` belongs to this provider and is never copied."""
        return schema in self.schemas

    def owns_extension(self, extension: str) -> bool:
        """Tell whether ``extension`` exists only on this provider's servers."""
        return extension in self.extensions
