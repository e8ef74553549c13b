"""Take back what was restored after the rows, when rows have to be copied once more: it would act on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, qualified, queries, sql
from migrations_app.engine.schema.dump import SchemaDump
from migrations_app.engine.schema.post_data import FOREIGN_KEY, REMARK_TYPES, UNCHECKED
from migrations_app.engine.schema.toc import TocEntry

EVENT_TRIGGER, ROW_SECURITY, TRIGGER = "EVENT TRIGGER", "ROW SECURITY", "TRIGGER"
# A check constraint that comes after the rows is one that some of them break (NOT VALID).
GUARDS = (EVENT_TRIGGER, TRIGGER, FOREIGN_KEY, "CHECK CONSTRAINT", ROW_SECURITY)


def withdraw_guards(job: DatabaseJob, dump: SchemaDump) -> None:
    """Drop triggers, foreign keys and the like, and forget their notes, so that they are restored after the copy.

    The copy begins again on a complete database when its server crashed and emptied its unlogged tables, and when
    verification found tables different. Triggers would fire, foreign keys refuse TRUNCATE and rows that come too
    early. Materialized views are emptied, to be filled anew. On a database that is filled for the first time there is
    nothing to do.
    """
    with job.target.connected(job.database.target_name, purpose="withdraw") as target:
        noted = job.markers.read(target, "toc")
        guards = [entry for entry in dump.post_data if entry.type in GUARDS and entry.key in noted]
        views = target.execute(queries.get("filled_materialized_views", server_version=job.target_version), {})
        statements = [*_withdrawals(target, guards), *(_emptied(row[0], row[1]) for row in views.fetchall())]
        if not statements:
            return
        remarks = [entry for entry in dump.post_data if entry.type in REMARK_TYPES]
        with target.transaction():
            job.markers.hold_on(target)
            for statement in statements:
                target.execute(statement)
            for kind in ("toc", "owner", UNCHECKED):
                job.markers.forget(target, kind=kind, keys=[entry.key for entry in (*guards, *remarks)])
    job.note(
        "Triggers, foreign keys and materialized views of the target are taken back until all rows are there.",
        level=Level.WARNING,
    )


def _withdrawals(target: Connection, guards: Iterable[TocEntry]) -> Iterator[sql.Composed]:
    """Event triggers go first: they would see the other statements."""
    found = {(entry.type, entry.schema, entry.name) for entry in guards}
    for kind, _, name in sorted(found):
        if kind == EVENT_TRIGGER:
            yield sql.SQL("DROP EVENT TRIGGER IF EXISTS {}").format(sql.Identifier(name))
    for kind, schema, name in sorted(found):
        if kind == ROW_SECURITY:
            yield sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(qualified(schema, name))
    query = queries.get("guarded_tables", server_version=target.info.server_version)
    for kind, schema, table, name in target.execute(query, {}).fetchall():
        if (kind, schema, f"{table} {name}") in found:
            drop = "DROP TRIGGER {1} ON {0}" if kind == TRIGGER else "ALTER TABLE {0} DROP CONSTRAINT {1}"
            yield sql.SQL(drop).format(qualified(schema, table), sql.Identifier(name))


def _emptied(schema: str, name: str) -> sql.Composed:
    return sql.SQL("REFRESH MATERIALIZED VIEW {} WITH NO DATA").format(qualified(schema, name))
