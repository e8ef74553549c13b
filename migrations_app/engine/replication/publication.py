"""The publications of one database: an explicit list of tables, never all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrations_app.engine.postgres import Connection, Server, errors, qualified, sql
from migrations_app.engine.replication import heartbeat
from migrations_app.engine.replication.plan import FollowedTable, ReplicationPlan, Treatment

INSERTS = "_inserts"
BATCH = 200
DEADLOCKS = 5
LOCK_TIMEOUT = "SET lock_timeout = '30s'"
TRUNCATE_SINCE, THROUGH_ROOT_SINCE = 110000, 130000


def inserts_name(name: str) -> str:
    """Return the name of the publication of the tables of which only new rows are followed.

    A source refuses UPDATE and DELETE of a table without identity as soon as a publication of it publishes these:
    https://www.postgresql.org/docs/18/logical-replication-publication.html#LOGICAL-REPLICATION-PUBLICATION-REPLICA-IDENTITY
    """
    return f"{name}{INSERTS}"


def publication_names(plan: ReplicationPlan) -> tuple[str, ...]:
    """Return the names of the publications that a subscriber of this plan asks for."""
    has_inserts = any(table.treatment is Treatment.INSERTS_ONLY for table in plan.tables)
    return (plan.name, inserts_name(plan.name)) if has_inserts else (plan.name,)


def publish(server: Server, database: str, plan: ReplicationPlan) -> None:
    """Make the publications of ``plan`` anew, in place of what an earlier run made. Raises ``EngineError``.

    Each table is locked for a moment against other changes of its definition, not against its users.
    """
    drop_publications(server, database, plan.name)
    with server.connected(database, purpose="publish", read_only=False) as connection:
        connection.execute(LOCK_TIMEOUT)
        for name, tables in _by_publication(plan):
            _publish_again_after_deadlocks(connection, name, tables, plan=plan)


def _by_publication(plan: ReplicationPlan) -> Iterator[tuple[str, list[FollowedTable]]]:
    yield plan.name, [table for table in plan.tables if table.treatment is Treatment.FOLLOW]
    inserts = [table for table in plan.tables if table.treatment is Treatment.INSERTS_ONLY]
    if inserts:
        yield inserts_name(plan.name), inserts


def _publish_again_after_deadlocks(
    connection: Connection, name: str, tables: Sequence[FollowedTable], *, plan: ReplicationPlan
) -> None:
    """Whoever truncates several tables may hold one that we want and want one that we hold."""
    for left in reversed(range(DEADLOCKS)):
        try:
            return _publish(connection, name, tables, plan=plan)
        except errors.DeadlockDetected:
            if not left:
                raise


def _publish(connection: Connection, name: str, tables: Sequence[FollowedTable], *, plan: ReplicationPlan) -> None:
    """All or nothing of one publication; a table without ONLY would bring those that inherit from it."""
    members: list[sql.Composable] = [sql.SQL("ONLY {}").format(qualified(*table.full_name)) for table in tables]
    if name == plan.name and plan.with_heartbeat:
        members.append(heartbeat.NAME)
    identifier = sql.Identifier(name)
    with connection.transaction():
        options = _options(connection.info.server_version, name=name, plan=plan, tables=tables)
        connection.execute(sql.SQL("CREATE PUBLICATION {} WITH ({})").format(identifier, options))
        for start in range(0, len(members), BATCH):
            batch = sql.SQL(", ").join(members[start : start + BATCH])
            connection.execute(sql.SQL("ALTER PUBLICATION {} ADD TABLE {}").format(identifier, batch))


def _options(version: int, *, name: str, plan: ReplicationPlan, tables: Sequence[FollowedTable]) -> sql.Composable:
    if name != plan.name:
        what = "insert"
    else:
        what = "insert, update, delete, truncate" if version >= TRUNCATE_SINCE else "insert, update, delete"
    options = [sql.SQL("publish = {}").format(sql.Literal(what))]
    if version >= THROUGH_ROOT_SINCE and any(table.is_root for table in tables):
        options.append(sql.SQL("publish_via_partition_root = true").format())
    return sql.SQL(", ").join(options)


def drop_publications(server: Server, database: str, name: str) -> None:
    """Drop the publications of a plan of this name; those that are gone are no error."""
    with server.connected(database, purpose="publish", read_only=False) as connection:
        for each in (name, inserts_name(name)):
            connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(each)))


def published_tables(connection: Connection, names: Sequence[str]) -> set[tuple[str, str]]:
    """Return schema and name of each table that publications of these names publish now."""
    rows = connection.execute(
        "SELECT schemaname::text, tablename::text FROM pg_catalog.pg_publication_tables WHERE pubname = ANY (%s)",
        (list(names),),
    )
    return {(row[0], row[1]) for row in rows}
