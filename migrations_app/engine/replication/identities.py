"""Let tables without a key send whole rows while they are followed, where that was agreed; and take it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Server, errors, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.plan import Identity, ReplicationPlan
from migrations_app.engine.replication.planning import read_source_tables

KIND = "identity"  # of a note: schema and table, with the letter of pg_class.relreplident from before
FULL = "REPLICA IDENTITY FULL"
BEFORE = {"d": "REPLICA IDENTITY DEFAULT"}  # else NOTHING: an index that is gone identifies nothing either
LOCK_TIMEOUT = "SET lock_timeout = '10s'"
Name = tuple[str, str]


@dataclass(frozen=True)
class _Published:
    """A row of queries/published_by_others.sql."""

    schema: str
    name: str
    publication: str


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
            source.execute(_altering(table.full_name, FULL))
    labels = ", ".join(f"{table.schema}.{table.name}" for table in todo)
    job.note(f"These tables of the source send whole rows until the end of the migration ({FULL}): {labels}.")


def take_whole_rows_back(job: DatabaseJob) -> None:
    """Give the tables the identity that they had, on both servers: the copy began with the altered one.

    A table that another publication sends keeps it, and the note of it: without an identity the application's updates
    would be refused. May be repeated; does nothing where the target carries no notes of ours. A table that is gone is
    no error.
    """
    with job.target.connected(job.database.target_name, purpose="identity", read_only=True) as target:
        noted = job.markers.read(target, KIND) if job.markers.are_ours(target) else {}
    if not noted:
        return
    changes = {(*json.loads(key),): BEFORE.get(letter, "REPLICA IDENTITY NOTHING") for key, letter in noted.items()}
    needed = _take_back(job, job.source, job.database.source_name, changes)
    needed |= _take_back(job, job.target, job.database.target_name, changes)
    over = [key for key in noted if (*json.loads(key),) not in needed]
    with job.target.connected(job.database.target_name, purpose="identity") as target, target.transaction():
        job.markers.hold_on(target)
        job.markers.forget(target, kind=KIND, keys=over)


def _take_back(job: DatabaseJob, server: Server, database: str, changes: Mapping[Name, str]) -> set[Name]:
    """Return the tables that others still need as they are."""
    schemas, names = zip(*changes, strict=True)
    with server.connected(database, purpose="identity", read_only=False) as connection:
        connection.execute(LOCK_TIMEOUT)
        others = fetch(connection, "published_by_others", _Published, schemas=[*schemas], names=[*names])
        needed = {(each.schema, each.name): each.publication for each in others}
        for name, change in changes.items():
            if name in needed:
                job.note(
                    f"{'.'.join(name)} on {server.endpoint.label} still sends whole rows ({FULL}), since the "
                    f"publication {needed[name]} sends its changes. When that is gone, run there: "
                    f"{_altering(name, change).as_string(connection)};",
                    level=Level.WARNING,
                )
                continue
            try:
                connection.execute(_altering(name, change))
            except (errors.UndefinedTable, errors.InvalidSchemaName):
                continue
    return set(needed)


def _altering(name: Name, change: str) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} {}").format(qualified(*name), sql.SQL(change))
