"""Places in the write-ahead log, as integers that can be compared and subtracted (bytes)."""

from __future__ import annotations


def parse_lsn(text: str) -> int:
    """Return ``16/B374D848`` as a number of bytes. https://www.postgresql.org/docs/18/datatype-pg-lsn.html"""
    high, low = text.split("/")
    return (int(high, 16) << 32) | int(low, 16)


def lsn_text(lsn: int) -> str:
    """Return a number of bytes as ``16/B374D848``."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
