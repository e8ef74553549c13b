"""Decide whether a subscription may take values in binary form: faster, but both servers must mean the same by them.

https://www.postgresql.org/docs/18/sql-createsubscription.html, binary. It holds for all tables of a subscription. Not
taken are types whose binary form names something by its OID (reg*, composites), depends on a setting (money, xml), or
belongs to an extension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.publication import published_tables

BINARY_SINCE = 140000


@dataclass(frozen=True)
class _Column:
    """A row of queries/subscribed_columns.sql."""

    schema: str
    table: str
    name: str
    type: str
    may_be_binary: bool


def binary_goes(publisher: Connection, subscriber: Connection, publications: Sequence[str]) -> bool:
    """Tell whether every published column has one built-in type on both sides, of those that are safe in binary form.

    Raises ``ReadFailed``.
    """
    if min(publisher.info.server_version, subscriber.info.server_version) < BINARY_SINCE:
        return False
    tables = sorted(published_tables(publisher, publications))
    published, received = _columns(publisher, tables), set(_columns(subscriber, tables))
    return all(column.may_be_binary and column in received for column in published)


def _columns(connection: Connection, tables: Sequence[tuple[str, str]]) -> list[_Column]:
    schemas, names = [schema for schema, _ in tables], [name for _, name in tables]
    return fetch(connection, "subscribed_columns", _Column, schemas=schemas, names=names)
