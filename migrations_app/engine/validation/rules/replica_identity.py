"""Rules about tables whose changed rows nothing names: they are not followed like others, as chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.spec import WithoutIdentity
from migrations_app.engine.validation.code import Code, code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.identity import candidates, set_identity
from migrations_app.engine.validation.moving_tables import of_migration
from migrations_app.engine.validation.online import online_database_rule
from migrations_app.engine.validation.wording import counted, listed

MAX_NAMES = 20
NOT_FOLLOWED = (
    "The source does not tell which of their rows an UPDATE or DELETE changed, so that these cannot be followed. They "
    "are never published as they are: then the application's UPDATE and DELETE would fail on the source."
)
AS_CHOSEN = {
    WithoutIdentity.COPY_AT_CUTOVER: "As chosen, they are copied again at the cutover, while writes are blocked: the "
    "downtime grows with their size.",
    WithoutIdentity.FULL: "As chosen, they get REPLICA IDENTITY FULL on the source while they are followed: whole rows "
    "go to the WAL, and each changed row is looked up in the whole table.",
    WithoutIdentity.INSERTS_ONLY: "As chosen, only their new rows are followed: what is updated or deleted after the "
    "copy began stays as it was on the target.",
}

NO_IDENTITY = code(
    "PM3020",
    Level.WARNING,
    "Tables without primary key or replica identity",
    why=NOT_FOLLOWED,
    side=FindingSide.SOURCE,
)
NOTHING_IDENTITY = code(
    "PM3021", Level.WARNING, "Tables with REPLICA IDENTITY NOTHING", why=NOT_FOLLOWED, side=FindingSide.SOURCE
)
UNUSABLE_IDENTITY = code(
    "PM3022",
    Level.WARNING,
    "Tables whose key cannot be the replica identity",
    why="A deferrable or invalid index, or one that was dropped, names no row to a subscriber. " + NOT_FOLLOWED,
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class TableRow:
    """A row of queries/online_unidentified_tables.sql; ``changes`` are rows updated and deleted."""

    oid: int
    schema: str
    name: str
    identity: str
    has_primary_key: bool
    changes: int

    @property
    def label(self) -> str:
        """``schema.name`` for people."""
        return f"{self.schema}.{self.name}"

    @property
    def code(self) -> Code:
        """Which kind of finding this table belongs to."""
        if self.identity == "n":
            return NOTHING_IDENTITY
        return UNUSABLE_IDENTITY if self.identity == "i" or self.has_primary_key else NO_IDENTITY


@online_database_rule(NO_IDENTITY, NOTHING_IDENTITY, UNUSABLE_IDENTITY)
def replica_identities(context: DatabaseContext) -> Iterator[Finding]:
    """Every table has a primary key or another replica identity that names its changed rows."""
    rows = of_migration(context, context.rows("online_unidentified_tables", TableRow))
    for code_ in (NO_IDENTITY, NOTHING_IDENTITY, UNUSABLE_IDENTITY):
        if those := [row for row in rows if row.code is code_]:
            yield _finding(context, code_, those)


def _finding(context: DatabaseContext, code_: Code, rows: Sequence[TableRow]) -> Finding:
    found = candidates(context, [row.oid for row in rows])
    whole_rows = [row for row in rows if row.oid not in found]
    changed = sum(row.changes > 0 for row in rows)
    return code_.found(
        f"{counted(len(rows), 'table')} of {context.database.source_name}",
        saw=f"These are {listed((row.label for row in rows), limit=MAX_NAMES)}. "
        f"{counted(changed, 'table')} saw an UPDATE or DELETE since the statistics were last reset. "
        f"{AS_CHOSEN[context.servers.spec.online.without_identity]}",
        fix=_fix(len(rows) - len(whole_rows), len(whole_rows)),
        fix_sql="\n".join(set_identity(row.schema, row.name, found.get(row.oid)) for row in rows),
    )


def _fix(by_index: int, by_row: int) -> str:
    words = ["Run the script on the source as the owner of the tables; each statement locks its table for a moment."]
    if by_index:
        words.append(f"{counted(by_index, 'table')} can use a unique index that exists.")
    if by_row:
        words.append(
            f"{counted(by_row, 'table')} can only be told by whole rows (FULL), which writes old rows to the WAL and "
            "is slow where the table is large: better add a primary key. UPDATE and DELETE fail on the source if such "
            "a table is published without one of both."
        )
    return " ".join(words)
