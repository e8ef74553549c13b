"""Rules about sessions on the source that would make the migration wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import capped

EXCLUSIVE = code(
    "PM2003",
    Level.WARNING,
    "Table is locked in exclusive mode",
    why="pg_dump waits until it can read the table; while this lock is held the migration does not begin.",
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class LockRow:
    """A row of queries/validation_exclusive_locks.sql; ``pid`` is None for a prepared transaction."""

    schema: str
    name: str
    pid: int | None
    prepared: str | None
    granted: bool
    user: str | None
    since: str | None
    query: str | None
    state: str | None


@database_rule(EXCLUSIVE)
def exclusive_locks(context: DatabaseContext) -> Iterator[Finding]:
    """No session and no prepared transaction holds a table of the migration in exclusive mode."""
    rows = context.rows("validation_exclusive_locks", LockRow)
    findings = [_locked(row) for row in rows if context.takes(row.schema, row.name)]
    yield from capped(findings, EXCLUSIVE, what="locks")


def _locked(row: LockRow) -> Finding:
    verb = "holds" if row.granted else "waits for"
    if row.prepared is not None:
        return EXCLUSIVE.found(
            f"Table {row.schema}.{row.name}",
            saw=f"The prepared transaction '{row.prepared}' of {row.user} {verb} the lock since {row.since}.",
            fix="Finish it on the source, by COMMIT PREPARED if it is wanted, else by the script.",
            fix_sql="ROLLBACK PREPARED '" + row.prepared.replace("'", "''") + "';",
            script_use=ScriptUse.CHOICE,
        )
    return EXCLUSIVE.found(
        f"Table {row.schema}.{row.name}",
        saw=f"Session {row.pid} of {row.user} ({row.state}) {verb} the lock since {row.since}: {row.query}",
        fix="Wait until that session has ended its transaction, or end it by the script.",
        fix_sql=f"SELECT pg_terminate_backend({row.pid});" if row.pid else "",
        script_use=ScriptUse.CHOICE,
    )
