"""Proof that the data arrived: digests of tables, sequences, large objects, and the whole catalog, on both sides."""

from __future__ import annotations

from migrations_app.engine.verification.columns import Column, read_columns
from migrations_app.engine.verification.database import verify_database
from migrations_app.engine.verification.differences import Differences, find_differing_rows
from migrations_app.engine.verification.digest import (
    Piece,
    TableDigest,
    compare_digest,
    empty_digest,
    hash_pieces,
    hash_table,
)
from migrations_app.engine.verification.digest_method import (
    COUNTS,
    DigestMethod,
    ServerTraits,
    choose_method,
    read_traits,
)
from migrations_app.engine.verification.large_objects import LargeObjectsDigest, digest_large_objects
from migrations_app.engine.verification.sequences import SequenceState, read_sequences
from migrations_app.engine.verification.unproved import Unproved

__all__ = [
    "COUNTS",
    "Column",
    "DigestMethod",
    "Differences",
    "LargeObjectsDigest",
    "Piece",
    "SequenceState",
    "ServerTraits",
    "TableDigest",
    "Unproved",
    "choose_method",
    "compare_digest",
    "digest_large_objects",
    "empty_digest",
    "find_differing_rows",
    "hash_pieces",
    "hash_table",
    "read_columns",
    "read_sequences",
    "read_traits",
    "verify_database",
]
