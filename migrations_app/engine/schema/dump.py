"""Dump the schema of the source in the copy's snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migrations_app.engine.control import Control
from migrations_app.engine.postgres import Server, client_tools
from migrations_app.engine.schema.toc import TocEntry, listed_identities, split, with_owners
from migrations_app.engine.snapshot import Snapshot

DUMP_OPTIONS = (
    "--format=custom",
    "--schema-only",
    "--no-subscriptions",
    "--no-tablespaces",
    "--no-password",
    "--no-sync",
    "--lock-wait-timeout=15000",
)


@dataclass(frozen=True)
class SchemaDump:
    """A database's schema, taken apart: what comes before the data and what comes after it."""

    pre_data: tuple[TocEntry, ...]
    post_data: tuple[TocEntry, ...]


def dump_schema(
    snapshot: Snapshot,
    *,
    file: Path,
    codec: str,
    quote_all: bool,
    exclude_schemas: Sequence[str],
    exclude_tables: Sequence[tuple[str, str]],
) -> SchemaDump:
    """Run pg_dump in the snapshot, write ``file``, and read it back entry by entry.

    Raises ``ToolFailed``. ``quote_all`` protects names that are keywords in another major version.
    """
    server = snapshot.server
    exclusions = file.with_suffix(".exclude")
    exclusions.write_text(
        "".join(f"exclude schema {pattern(name)}\n" for name in exclude_schemas)
        + "".join(f"exclude table {pattern(schema)}.{pattern(name)}\n" for schema, name in exclude_tables),
        encoding=codec,
    )
    arguments = [
        *DUMP_OPTIONS,
        f"--snapshot={snapshot.name}",
        f"--filter={exclusions}",
        f"--file={file}",
        "--dbname=" + server.conninfo(snapshot.database, purpose="pg_dump"),
    ]
    if quote_all:
        arguments.append("--quote-all-identifiers")
    client_tools.run("pg_dump", arguments, endpoint=server.endpoint, control=server.control)
    return SchemaDump(
        pre_data=_section(server.control, file, "pre-data", codec=codec),
        post_data=_section(server.control, file, "post-data", codec=codec),
    )


def dump_table(server: Server, database: str, name: tuple[str, str], *, file: Path, codec: str) -> tuple[str, ...]:
    """Return the statements that make one table as it is now, with all that belongs to it. Raises ``ToolFailed``."""
    arguments = [
        *DUMP_OPTIONS,
        f"--table={pattern(name[0])}.{pattern(name[1])}",
        f"--file={file}",
        "--dbname=" + server.conninfo(database, purpose="pg_dump"),
    ]
    client_tools.run("pg_dump", arguments, endpoint=server.endpoint, control=server.control)
    entries = [
        *_section(server.control, file, "pre-data", codec=codec),
        *_section(server.control, file, "post-data", codec=codec),
    ]
    return tuple(each.shown(text) for each in entries for text in (each.sql, each.owner_sql) if text)


def _section(control: Control, file: Path, section: str, *, codec: str) -> tuple[TocEntry, ...]:
    def read(*options: str) -> bytes:
        return client_tools.run(
            "pg_restore", [f"--section={section}", *options, str(file)], endpoint=None, control=control
        )

    identities = listed_identities(read("--list"))
    bare = list(split(read("--file=-", "--verbose", "--no-owner"), identities=identities, codec=codec))
    owned = list(split(read("--file=-", "--verbose"), identities=identities, codec=codec))
    return tuple(with_owners(bare, owned))


def pattern(name: str) -> str:
    """Quote a name for pg_dump's patterns, so that it matches nothing but itself."""
    escaped = name.replace('"', '""').replace("\n", "\\n")
    return f'"{escaped}"'
