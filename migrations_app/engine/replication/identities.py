"""Let tables without a key send whole rows while they are followed, where that was agreed; and take it back."""

from __future__ import annotations

import json

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Server, errors, qualified, sql
from migrations_app.engine.replication.plan import Identity, ReplicationPlan
from migrations_app.engine.replication.planning import read_source_tables

KIND = "identity"  # of a note: schema and table, with the letter of pg_class.relreplident from before
FULL = "REPLICA IDENTITY FULL"
BEFORE = {"d": "REPLICA IDENTITY DEFAULT"}  # else NOTHING: an index that is gone identifies nothing either
LOCK_TIMEOUT = "SET lock_timeout = '10s'"


def send_whole_rows(job: DatabaseJob, plan: ReplicationPlan) -> None:
    """Give REPLICA IDENTITY FULL to the tables that are planned with it and do not have it; noted before it is done.

    https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY
    """
    database = job.database.source_name
    with job.source.connected(database, purpose="identity", read_only=False) as source:
        found = read_source_tables(source)
        full = [table.full_name for table in plan.followed if table.identity is Identity.FULL]
        todo = [found[name] for name in full if name in found and found[name].letter != "f"]
        if not todo:
            return
        with job.target.connected(job.database.target_name, purpose="identity") as target, target.transaction():
            job.markers.hold_on(target)
            for table in todo:
                job.markers.add(target, kind=KIND, keys=[json.dumps(table.full_name)], detail=table.letter)
        source.execute(LOCK_TIMEOUT)
        for table in todo:
            _alter(source, table.full_name, FULL)
    labels = ", ".join(f"{table.schema}.{table.name}" for table in todo)
    job.note(f"These tables of the source send whole rows until the end of the migration ({FULL}): {labels}.")


def take_whole_rows_back(job: DatabaseJob) -> None:
    """Give the tables the identity that they had, on both servers: the copy began with the altered one.

    May be repeated; does nothing where the target carries no notes of ours. A table that is gone is no error.
    """
    with job.target.connected(job.database.target_name, purpose="identity", read_only=True) as target:
        noted = job.markers.read(target, KIND) if job.markers.are_ours(target) else {}
    if not noted:
        return
    changes = [(*json.loads(key), BEFORE.get(letter, "REPLICA IDENTITY NOTHING")) for key, letter in noted.items()]
    for server, database in ((job.source, job.database.source_name), (job.target, job.database.target_name)):
        _take_back(server, database, changes)
    with job.target.connected(job.database.target_name, purpose="identity") as target, target.transaction():
        job.markers.hold_on(target)
        job.markers.forget(target, kind=KIND, keys=noted)


def _take_back(server: Server, database: str, changes: list[tuple[str, str, str]]) -> None:
    with server.connected(database, purpose="identity", read_only=False) as connection:
        connection.execute(LOCK_TIMEOUT)
        for schema, name, change in changes:
            try:
                _alter(connection, (schema, name), change)
            except (errors.UndefinedTable, errors.InvalidSchemaName):
                continue


def _alter(connection: Connection, name: tuple[str, str], change: str) -> None:
    connection.execute(sql.SQL("ALTER TABLE {} {}").format(qualified(*name), sql.SQL(change)))
