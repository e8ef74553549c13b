"""How a migration names its publication and its replication slot in each source database."""

from __future__ import annotations

import re

PREFIX = "pgmig_"


def replication_name(migration_id: str, *, database_id: str) -> str:
    """Return the name of the publication and of the slot for one database: ``pgmig_<migration>_<database>``.

    A slot's name has at most 63 characters of a-z, 0-9 and _ and is unique on the server:
    https://www.postgresql.org/docs/18/warm-standby.html#STREAMING-REPLICATION-SLOTS-MANIPULATION
    """
    return f"{PREFIX}{_plain(migration_id)[:8]}_{_plain(database_id)[:40]}"


def _plain(identifier: str) -> str:
    return re.sub(r"[^a-z0-9]", "", identifier.lower())
