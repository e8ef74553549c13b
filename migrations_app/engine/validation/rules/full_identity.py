"""Rules about REPLICA IDENTITY FULL and generated columns: identities that exist and still do not work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.spec import ApplyChoice
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.identity import Candidate, candidates, set_identity
from migrations_app.engine.validation.moving_tables import of_migration
from migrations_app.engine.validation.online import online_database_rule
from migrations_app.engine.validation.wording import capped, counted, listed

MANY_ROWS = 100_000

NO_EQUALITY = code(
    "PM3023",
    Level.WARNING,
    "REPLICA IDENTITY FULL with columns that cannot be compared",
    why="A subscription finds a changed row by all its columns, and each must have an equality. json, xml, point and "
    "others have none: its worker ends with: could not identify an equality operator. The portal compares their text.",
    side=FindingSide.SOURCE,
)
SLOW_IDENTITY = code(
    "PM3024",
    Level.WARNING,
    "REPLICA IDENTITY FULL on a large table",
    why="Each changed row is looked for by all its columns, which reads the whole table on the target; replication may "
    "never catch up.",
    side=FindingSide.SOURCE,
)
GENERATED_IDENTITY = code(
    "PM3025",
    Level.FAILED,
    "Replica identity contains generated columns",
    why="Generated columns are not published. From PostgreSQL 18 on UPDATE and DELETE then fail on the source: replica "
    "identity must not contain unpublished generated columns. Before, the target cannot find the row.",
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class FullRow:
    """A row of queries/online_full_identity.sql; ``changes`` are updates and deletes since the statistics began."""

    oid: int
    schema: str
    name: str
    rows_estimate: int
    changes: int
    without_equality: Sequence[str]

    @property
    def label(self) -> str:
        """``schema.name`` for people."""
        return f"{self.schema}.{self.name}"


@online_database_rule(NO_EQUALITY, SLOW_IDENTITY)
def full_identities(context: DatabaseContext) -> Iterator[Finding]:
    """No table with REPLICA IDENTITY FULL has columns that cannot be compared, and none of them is large."""
    rows = of_migration(context, context.rows("online_full_identity", FullRow))
    found = candidates(context, [row.oid for row in rows])
    wish = context.servers.spec.online.apply
    hard = [_no_equality(row, found.get(row.oid), wish=wish) for row in rows if row.without_equality]
    yield from capped(hard, NO_EQUALITY, what="tables")
    large = [row for row in rows if not row.without_equality and row.rows_estimate >= MANY_ROWS]
    yield from capped([_slow(row, found.get(row.oid)) for row in large], SLOW_IDENTITY, what="tables")


def _no_equality(row: FullRow, candidate: Candidate | None, *, wish: ApplyChoice) -> Finding:
    """In the way only of a subscription that was asked for: else the portal applies the changes of the database."""
    is_refused = wish is ApplyChoice.SERVER_TO_SERVER
    times = f"{counted(row.changes, 'row')} of it changed since the statistics were last reset."
    way = "Let the portal apply the changes (Options)." if is_refused else "The portal will apply the changes."
    return NO_EQUALITY.found(
        f"Table {row.label}",
        saw=f"No equality: {listed(row.without_equality)}. {times if row.changes else 'No row of it ever changed.'}",
        fix=f"{way} Or: {_other_identity(candidate)}",
        fix_sql=set_identity(row.schema, row.name, candidate) if candidate else "",
        level=Level.FAILED if is_refused else Level.WARNING,
    )


def _slow(row: FullRow, candidate: Candidate | None) -> Finding:
    return SLOW_IDENTITY.found(
        f"Table {row.label}",
        saw=f"The table has about {counted(row.rows_estimate, 'row')}; {counted(row.changes, 'row')} changed since the "
        "statistics were last reset.",
        fix=_other_identity(candidate),
        fix_sql=set_identity(row.schema, row.name, candidate) if candidate else "",
    )


def _other_identity(candidate: Candidate | None) -> str:
    if candidate is None:
        return "Add a primary key on the source, or a unique index of columns that are NOT NULL, as replica identity."
    return f"The index {candidate.index} can be its replica identity: run the script on the source as its owner."


@dataclass(frozen=True)
class GeneratedRow:
    """A row of queries/online_generated_identity_post_120000.sql."""

    oid: int
    schema: str
    name: str
    identity: str
    columns: Sequence[str]

    @property
    def label(self) -> str:
        """``schema.name`` for people."""
        return f"{self.schema}.{self.name}"


@online_database_rule(GENERATED_IDENTITY)
def generated_identities(context: DatabaseContext) -> Iterator[Finding]:
    """No replica identity contains a generated column, which is not published."""
    major = context.source.facts.major
    if major < 12:
        return
    rows = of_migration(context, context.rows("online_generated_identity", GeneratedRow))
    rows = [row for row in rows if major >= 18 or row.identity != "f"]
    found = candidates(context, [row.oid for row in rows])
    findings = [_generated(row, found.get(row.oid)) for row in rows]
    yield from capped(findings, GENERATED_IDENTITY, what="tables")


def _generated(row: GeneratedRow, candidate: Candidate | None) -> Finding:
    kind = "is FULL and the table has" if row.identity == "f" else "is an index with"
    return GENERATED_IDENTITY.found(
        f"Table {row.label}",
        saw=f"Its replica identity {kind} the generated {'columns' if len(row.columns) > 1 else 'column'} "
        f"{listed(row.columns)}.",
        fix=_other_identity(candidate),
        fix_sql=set_identity(row.schema, row.name, candidate) if candidate else "",
    )
