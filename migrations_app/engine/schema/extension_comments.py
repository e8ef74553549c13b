"""Comments on extensions: only the extension's owner may change them, who need not be the migration's user."""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.engine.findings import Level
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, sql
from migrations_app.engine.providers_own import EXTENSION_COMMENT
from migrations_app.engine.schema.toc import TocEntry, unquoted

PREFIX = "EXTENSION "
EXTENSIONS_OF_OTHERS = """
SELECT x.extname::text, coalesce(pg_catalog.obj_description(x.oid, 'pg_extension'), '')
FROM pg_catalog.pg_extension x
WHERE NOT pg_catalog.pg_has_role(x.extowner, 'USAGE')
"""


def is_about_extension(entry: TocEntry) -> bool:
    """Tell whether the entry is a comment on an extension."""
    return entry.type == "COMMENT" and entry.name.startswith(PREFIX)


def possible_comments(job: DatabaseJob, connection: Connection, entries: Sequence[TocEntry]) -> list[TocEntry]:
    """Return the comments that our user may set; tell which others differ from those on the target.

    An extension that came with the target's template, or that a superuser created there, is somebody else's.
    """
    of_others: dict[str, str] = {row[0]: row[1] for row in connection.execute(EXTENSIONS_OF_OTHERS)}
    possible = []
    for entry in entries:
        name = unquoted(entry.name.removeprefix(PREFIX))
        if name not in of_others:
            possible.append(entry)
        elif sql.Literal(of_others[name]).as_string(None).strip().encode(job.codec) not in entry.sql:
            _tell(job, entry, name)
    return possible


def _tell(job: DatabaseJob, entry: TocEntry, name: str) -> None:
    job.find(
        EXTENSION_COMMENT,
        Level.INFO,
        f"extension {name}",
        f"Its comment was left out: {job.target.endpoint.user} does not own the extension on the target.",
        why="Only the owner of an extension may comment on it; nothing depends on the comment.",
        fix="Nothing has to be done; a superuser may run the script in the target database.",
        fix_sql=entry.text,
        phase="constraints",
    )
