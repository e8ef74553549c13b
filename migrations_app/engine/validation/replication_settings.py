"""The settings that replication depends on, and how much of what they allow is in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import fetch, fetch_one

SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "16MB": 16 * 1024**2, "GB": 1024**3}


@dataclass(frozen=True)
class SettingRow:
    """A row of queries/online_settings.sql."""

    name: str
    setting: str
    unit: str
    pending_restart: bool


@dataclass(frozen=True)
class ReplicationUse:
    """The row of queries/online_replication_use.sql."""

    senders: int
    subscription_workers: int
    origins: int


@dataclass(frozen=True)
class ReplicationSettings:
    """The settings of one server; what its version does not know is None."""

    rows: Mapping[str, SettingRow]
    use: ReplicationUse

    def text(self, name: str) -> str:
        """Return a setting as it is written."""
        return self.rows[name].setting

    def is_pending(self, name: str) -> bool:
        """Tell whether a new value was saved and waits for a restart."""
        return self.rows[name].pending_restart

    def number(self, name: str) -> int | None:
        """Return a number without unit."""
        return int(self.rows[name].setting) if name in self.rows else None

    def seconds(self, name: str) -> float | None:
        """Return a time in seconds."""
        row = self.rows.get(name)
        return float(row.setting) * SECONDS[row.unit] if row else None

    def bytes(self, name: str) -> int | None:
        """Return a size in bytes; negative means without limit."""
        row = self.rows.get(name)
        return int(row.setting) * BYTES[row.unit] if row else None


def read_replication_settings(connection: Connection) -> ReplicationSettings:
    """Return the settings of a server and their use; raises ``ReadFailed``."""
    rows = fetch(connection, "online_settings", SettingRow)
    use = fetch_one(connection, "online_replication_use", ReplicationUse)
    return ReplicationSettings({row.name: row for row in rows}, use)
