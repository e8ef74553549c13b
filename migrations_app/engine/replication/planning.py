"""Decide which tables are followed and how; the selection is the one by which schema and rows are copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.plan import FollowedTable, Identity, ReplicationPlan, Treatment
from migrations_app.engine.replication.publication import THROUGH_ROOT_SINCE
from migrations_app.engine.replication_names import replication_name
from migrations_app.engine.spec import WithoutIdentity
from migrations_app.engine.table_copy.planner import plan_tables

TableName = tuple[str, str]
WHOLE = 2**62  # bytes up to which a table stays one part: the parts are planned by the copy
TREATMENTS = {
    WithoutIdentity.COPY_AT_CUTOVER: (Identity.NONE, Treatment.COPY_AT_CUTOVER),
    WithoutIdentity.FULL: (Identity.FULL, Treatment.FOLLOW),
    WithoutIdentity.INSERTS_ONLY: (Identity.NONE, Treatment.INSERTS_ONLY),
}


@dataclass(frozen=True)
class SourceTable:
    """A row of queries/follow_tables.sql; ``letter`` is pg_class.relreplident."""

    oid: int
    schema: str
    name: str
    is_unlogged: bool
    letter: str
    key_columns: list[str]
    is_ours: bool
    has_incomparable: bool

    @property
    def full_name(self) -> TableName:
        """Schema and name."""
        return self.schema, self.name

    @property
    def identity(self) -> Identity:
        """What the source sends of the old row as it is now."""
        if self.letter == "f":
            return Identity.FULL
        if not self.key_columns:
            return Identity.NONE
        return Identity.KEY if self.letter == "d" else Identity.INDEX


def read_source_tables(connection: Connection) -> dict[TableName, SourceTable]:
    """Return every table and partitioned table of a database by name."""
    return {table.full_name: table for table in fetch(connection, "follow_tables", SourceTable)}


def plan_replication(job: DatabaseJob, connection: Connection) -> ReplicationPlan:
    """Plan what ``connection`` sees of the source: each table that is copied is followed or copied again."""
    copied = plan_tables(
        connection, takes=job.takes, split_bytes=WHOLE, skips_extension=job.source_provider.owns_extension
    )
    found = read_source_tables(connection)
    through_root = connection.info.server_version >= THROUGH_ROOT_SINCE
    tables = sorted(_planned(job, copied, found, through_root=through_root), key=lambda table: table.full_name)
    name = replication_name(job.spec.id, database_id=job.database.id)
    return ReplicationPlan(name, tuple(tables), with_heartbeat=job.spec.online.heartbeat)


def _planned(
    job: DatabaseJob, copied: Sequence[TablePlan], found: Mapping[TableName, SourceTable], *, through_root: bool
) -> Iterator[FollowedTable]:
    roots: set[TableName] = set()
    for table in copied:
        if table.tree is not None and through_root:
            if table.tree not in roots:
                roots.add(table.tree)
                yield _followed(job, found[table.tree], table, is_root=True)
        elif table.is_configuration and (table.condition or not found[table.full_name].is_ours):
            continue  # an extension's own table; its rows are copied once
        else:
            yield _followed(job, found[table.full_name], table)


def _followed(job: DatabaseJob, found: SourceTable, copied: TablePlan, *, is_root: bool = False) -> FollowedTable:
    """The rows of a partition that may belong to another one on the target cannot be followed one to one."""
    identity, treatment = found.identity, Treatment.FOLLOW
    if found.is_unlogged or (copied.tree is not None and not is_root):
        treatment = Treatment.COPY_AT_CUTOVER
    elif identity is Identity.NONE:
        identity, treatment = _without_identity(job, found)
    return FollowedTable(
        oid=found.oid,
        schema=found.schema,
        name=found.name,
        columns=copied.columns,
        identity=identity,
        key_columns=tuple(found.key_columns) if identity in (Identity.KEY, Identity.INDEX) else (),
        treatment=treatment,
        is_root=is_root,
    )


def _without_identity(job: DatabaseJob, found: SourceTable) -> tuple[Identity, Treatment]:
    """A whole row cannot be looked up by a type without equality, such as json."""
    chosen = job.spec.online.without_identity
    if chosen is WithoutIdentity.FULL and found.has_incomparable:
        chosen = WithoutIdentity.COPY_AT_CUTOVER
    return TREATMENTS[chosen]


def left_alone(job: DatabaseJob, connection: Connection, plan: ReplicationPlan) -> list[str]:
    """Return the tables that are copied and then not looked at any more: extensions' own ones."""
    copied = plan_tables(
        connection, takes=job.takes, split_bytes=WHOLE, skips_extension=job.source_provider.owns_extension
    )
    planned = {table.full_name for table in plan.tables}
    return [table.label for table in copied if table.full_name not in planned and table.tree not in planned]


def not_comparable(connection: Connection, plan: ReplicationPlan) -> list[str]:
    """Return the followed tables that send whole rows with a type without equality: a subscription never finds them."""
    found = read_source_tables(connection)
    return [
        table.label
        for table in plan.followed
        if table.identity is Identity.FULL and table.full_name in found and found[table.full_name].has_incomparable
    ]
