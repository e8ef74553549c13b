"""Proof that the data arrived: digests of tables, sequences, large objects, and the whole catalog, on both sides."""

from __future__ import annotations

from migrations_app.engine.verification.columns import Column, read_columns
from migrations_app.engine.verification.digest import TableDigest, compare_digest, empty_digest, hash_table
from migrations_app.engine.verification.digest_method import (
    COUNTS,
    DigestMethod,
    ServerTraits,
    choose_method,
    read_traits,
)

__all__ = [
    "COUNTS",
    "Column",
    "DigestMethod",
    "ServerTraits",
    "TableDigest",
    "choose_method",
    "compare_digest",
    "empty_digest",
    "hash_table",
    "read_columns",
    "read_traits",
]
