"""The fixes of a migration's findings as scripts for psql: one for each server, of all databases or of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from migrations_app.engine.findings import FindingSide, ScriptUse
from migrations_app.engine.spec import Side
from migrations_app.models import Migration, MigrationFinding
from migrations_app.selectors.findings import findings_of

TO_BE_FILLED_IN = "…"
VALIDATION = "validation"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def fixes_script(migration: Migration, *, side: Side, database: str = "") -> str:
    """Return the fixes for one server as a script for psql; ``database`` (its name on the source) limits it to one.

    Only SQL of open findings runs. What is done elsewhere, is accepted, has to be filled in first, or is somebody's
    choice, is a comment. What is to be done after the migration comes last, since its database may not exist before.
    """
    findings = [row for row in findings_of(migration.pk) if not database or _source_name(row) == database]
    findings = [row for row in findings if row.side in (side, FindingSide.BOTH, FindingSide.NONE)]
    runs = [row for row in findings if _runs(row)]
    before = [row for row in runs if row.script_use != ScriptUse.AFTER]
    lines = list(_head(migration, side=side, database=database, findings=findings, runs=len(runs)))
    lines += _by_database(before, migration=migration, side=side)
    if after := [row for row in runs if row.script_use == ScriptUse.AFTER]:
        lines += ["", "-- After the migration", *_by_database(after, migration=migration, side=side)]
    if rest := [row for row in findings if not _runs(row)]:
        lines += [
            "",
            "-- Nothing below runs: it is done in another way, is accepted, has a gap (…) for you to fill in, or ends,",
            "-- drops or changes something that you have to decide about.",
        ]
        for row in rest:
            lines += ["", *_heading(row), *_comment(row.fix_sql)]
    return "\n".join(lines) + "\n"


def fixes_file_name(migration: Migration, *, side: Side, database: str = "") -> str:
    """Return a name that any file system and header takes."""
    words = (migration.name, "fixes", side.value, *([database] if database else []))
    return re.sub(r"[^A-Za-z0-9._-]", "_", "-".join(words)) + ".sql"


def _runs(row: MigrationFinding) -> bool:
    is_ready = bool(row.fix_sql.strip()) and TO_BE_FILLED_IN not in row.fix_sql
    is_decided = row.script_use != ScriptUse.CHOICE and row.side != FindingSide.NONE
    return is_ready and is_decided and row.accepted_at is None


def _head(
    migration: Migration, *, side: Side, database: str, findings: Sequence[MigrationFinding], runs: int
) -> Iterator[str]:
    server = migration.source if side is Side.SOURCE else migration.target
    only = f", database {database}" if database else ""
    yield from _comment(f"Fixes for the findings of migration {migration.name}: {side.value} server{only}.")
    yield from _comment(f"Read it first, then run it: psql -h {server.host} -p {server.port} -U ADMINISTRATOR -f FILE")
    yield from _comment(f"{runs} of {len(findings)} findings {'is' if runs == 1 else 'are'} mended by SQL here.")
    yield "\\set ON_ERROR_STOP on"


def _by_database(rows: Sequence[MigrationFinding], *, migration: Migration, side: Side) -> list[str]:
    lines: list[str] = []
    placed = sorted(
        rows, key=lambda row: _database(row, migration=migration, side=side)
    )  # stable: the worst stay first
    for name, found in groupby(placed, key=lambda row: _database(row, migration=migration, side=side)):
        lines += ["", *_connect(name)]
        for row in found:
            lines += [*_heading(row), row.fix_sql.strip(), ""]
    return lines


def _database(row: MigrationFinding, *, migration: Migration, side: Side) -> str:
    server = migration.source if side is Side.SOURCE else migration.target
    if row.script_database:
        return row.script_database
    is_made_later = side is Side.TARGET and row.phase == VALIDATION and row.script_use != ScriptUse.AFTER
    if row.database is None or is_made_later:
        return server.maintenance_database
    return row.database.source_name if side is Side.SOURCE else row.database.target_name


def _connect(name: str) -> Iterable[str]:
    r"""``\connect "name"``; psql takes a name with ``=`` for a connection string, and cannot write a control character.

    https://www.postgresql.org/docs/18/app-psql.html
    """
    if CONTROL.search(name):
        return ["-- The name of the next database has control characters: connect to it by hand.", "\\quit"]
    if "=" in name or name.startswith(("postgres://", "postgresql://")):
        name = "dbname='" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"
    quoted = name.replace('"', '""')
    return [f'\\connect "{quoted}"']


def _heading(row: MigrationFinding) -> Iterator[str]:
    place = f" in database {_source_name(row)}" if row.database else ""
    yield from _comment(f"{row.code} {row.level}: {row.subject}{place}")
    yield from _comment(row.saw)
    if row.fix:
        yield from _comment(f"Fix: {row.fix}")
    if row.accepted_at is not None:
        yield from _comment(f"Accepted: {row.accepted_reason}")


def _comment(text: str) -> Iterator[str]:
    """A line of a script for each line of the text: a line end in it must not end the comment."""
    for line in text.splitlines():
        yield f"-- {line}"


def _source_name(row: MigrationFinding) -> str:
    return row.database.source_name if row.database else ""
