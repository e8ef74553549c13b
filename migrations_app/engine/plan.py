"""The copy plan: tables, their sizes, and the parts in which they travel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PartKind(StrEnum):
    """How the rows of a part are chosen."""

    WHOLE = "whole"
    CTID = "ctid"
    KEY = "key"


@dataclass(frozen=True)
class PartPlan:
    """A range of a table's rows: ``lower <= x < upper``; None is an open end.

    ``ctid``: block numbers. ``key``: values of the integer column ``key_column``. ``whole``: no bounds.
    """

    number: int
    kind: PartKind
    lower: int | None = None
    upper: int | None = None
    key_column: str = ""


@dataclass(frozen=True)
class TablePlan:
    """One table to copy. ``columns`` leaves out generated columns.

    ``is_configuration``: an extension's own table, in which ``condition`` tells the user's rows from its own.

    ``tree`` is set for a partition whose rows may belong to another partition on the target: schema and name of the
    partitioned table to which they are written. Its partitions are complete, and compared, all together.

    ``bytes`` is the heap and TOAST size on the source, ``rows_estimate`` is reltuples (-1: never analyzed).
    """

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]
    bytes: int
    rows_estimate: int
    binary: bool
    parts: tuple[PartPlan, ...]
    condition: str = ""
    is_configuration: bool = False
    tree: tuple[str, str] | None = None

    @property
    def full_name(self) -> tuple[str, str]:
        """Schema and name."""
        return self.schema, self.name

    @property
    def destination(self) -> tuple[str, str]:
        """Schema and name of the table to which the rows are written."""
        return self.tree or self.full_name

    @property
    def label(self) -> str:
        """``schema.table`` for people."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class ClaimedPart:
    """A part handed to one copy worker by the queue. ``id`` is the queue's own."""

    id: int
    table: TablePlan
    part: PartPlan
    attempt: int
