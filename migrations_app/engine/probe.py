"""Look at a server, its databases and their tables, without changing anything."""

from __future__ import annotations

from migrations_app.engine.probe_databases import list_databases
from migrations_app.engine.probe_server import probe_server
from migrations_app.engine.probe_tables import list_tables
from migrations_app.engine.probe_values import (
    DatabaseFacts,
    ExtensionFacts,
    PrivilegeFacts,
    ServerFacts,
    SettingFacts,
    TableFacts,
    TlsFacts,
)

__all__ = [
    "DatabaseFacts",
    "ExtensionFacts",
    "PrivilegeFacts",
    "ServerFacts",
    "SettingFacts",
    "TableFacts",
    "TlsFacts",
    "list_databases",
    "list_tables",
    "probe_server",
]
