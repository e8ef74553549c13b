"""Keep the tables as the snapshot saw them: TRUNCATE and rewriting do not respect snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.engine.errors import ConnectionLost
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import qualified, queries, sql
from migrations_app.engine.snapshot import Snapshot

BATCH = 200
LOCK_TIMEOUT = "60s"


class SourceRewritten(ConnectionLost):
    """A table was emptied or rewritten just after the snapshot was taken: a new snapshot is needed."""


def lock_tables(snapshot: Snapshot, tables: Sequence[TablePlan]) -> None:
    """Lock every table against TRUNCATE, DROP and rewriting for as long as the snapshot is held; rows may change.

    What happened between the snapshot and the lock shows in the file of the table: the snapshot's catalog names
    another one than the server uses now. https://www.postgresql.org/docs/18/mvcc-caveats.html
    Raises ``SourceRewritten``, ``StatementRefused`` when a lock is not granted within a minute.
    """
    holder = snapshot.holder
    holder.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
    for start in range(0, len(tables), BATCH):
        batch = tables[start : start + BATCH]
        names = sql.SQL(", ").join(sql.SQL("ONLY {}").format(qualified(table.schema, table.name)) for table in batch)
        holder.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
    query = queries.get("rewritten_tables", server_version=holder.info.server_version)
    rewritten = [f"{row[0]}.{row[1]}" for row in holder.execute(query, {"oids": [table.oid for table in tables]})]
    if rewritten:
        raise SourceRewritten(
            f"Tables of {snapshot.database} were emptied or rewritten just now: {', '.join(rewritten[:5])}.",
            hint="Stop jobs that reload tables on the source while it is copied.",
            server_message="The snapshot no longer sees their rows.",
        )
