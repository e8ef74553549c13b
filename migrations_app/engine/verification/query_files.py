"""The SQL files of the verification: each reaches the server under its own name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

QUERIES = Path(__file__).with_name("queries")


@cache
def query(name: str) -> bytes:
    """Return the text of ``queries/<name>.sql``, headed by the file's name for whoever reads pg_stat_activity."""
    return f"/* verification/{name}.sql */\n".encode() + (QUERIES / f"{name}.sql").read_bytes()
