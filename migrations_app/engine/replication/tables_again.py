"""Copy again the tables whose changes nobody sends: emptied and filled in one transaction, behind the fence."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from migrations_app.engine.crew import Crew
from migrations_app.engine.errors import CopyFailed
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection, Error, errors, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.postgres.server_errors import explain_failure
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.plan import ReplicationPlan
from migrations_app.engine.table_copy.planner import plan_tables
from migrations_app.engine.validation.wording import counted

ENABLE = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}  # pg_trigger.tgenabled
REPLICA_ROLE = "SET LOCAL session_replication_role = replica"


@dataclass(frozen=True)
class CopiedAgain:
    """What was copied again."""

    tables: int
    rows: int

    def __str__(self) -> str:
        """``3 tables, 1,204 rows``, for people."""
        return f"{counted(self.tables, 'table')}, {counted(self.rows, 'row')}" if self.tables else "no table"


@dataclass(frozen=True)
class _Refilled:
    """A table of the server that is entered, as it has to be treated."""

    schema: str
    name: str
    kind: str
    is_forced: bool
    triggers: list[list[str]]
    referenced: list[list[str]]

    @property
    def full_name(self) -> tuple[str, str]:
        return self.schema, self.name


Group = list[TablePlan]  # filled in one transaction, those that others refer to first


def plan_copies(job: DatabaseJob, plan: ReplicationPlan) -> list[TablePlan]:
    """Return what has rows of its own of the tables to copy again, the largest first; of a root, its partitions."""
    tables = plan.copied_at_cutover
    if not tables and not plan.again:
        return []
    with job.source.connected(job.database.source_name, purpose="plan") as source:
        roots = [table.full_name for table in tables if table.is_root]
        wanted = {table.full_name for table in tables} | set(plan.again) | _partitions(source, [*roots, *plan.again])
        return plan_tables(
            source,
            takes=lambda schema, name: (schema, name) in wanted,
            split_bytes=2**62,
            skips_extension=job.source_provider.owns_extension,
        )


def _partitions(source: Connection, roots: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    rows = source.execute(
        "WITH RECURSIVE below AS (SELECT c.oid FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " JOIN unnest(%s::text[], %s::text[]) AS t(schema, name) ON t.schema = n.nspname AND t.name = c.relname"
        " UNION ALL SELECT i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid)"
        " SELECT n.nspname::text, c.relname::text FROM below b JOIN pg_catalog.pg_class c ON c.oid = b.oid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'",
        ([schema for schema, _ in roots], [name for _, name in roots]),
    )
    return {(row[0], row[1]) for row in rows}


def copy_tables_again(crossing: Crossing) -> CopiedAgain:
    """Copy every table that the plan copies at the cutover; each is complete or as it was. Raises ``CopyFailed``."""
    job = crossing.job
    plans = plan_copies(job, crossing.plan)
    if not plans:
        return CopiedAgain(0, 0)
    with job.target.connected(job.database.target_name, purpose="again", read_only=True) as target:
        treated = _read_treatment(target, plans)
    work = _Work(_groups(plans, treated))
    with job.control.child() as control, Crew(control) as crew:
        under = job.under(control)
        for number in range(min(job.jobs, len(work.groups))):
            crew.start(f"again-{number}", lambda: _work(under, work, treated))
    return CopiedAgain(len(plans), work.rows)


class _Work:
    """The groups, handed out to threads, and the rows they copied."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups
        self.rows = 0
        self._left = iter(groups)
        self._lock = threading.Lock()

    def next(self) -> Group | None:
        """Hand out the next group."""
        with self._lock:
            return next(self._left, None)

    def add(self, rows: int) -> None:
        """Count rows."""
        with self._lock:
            self.rows += rows


def _work(job: DatabaseJob, work: _Work, treated: dict[tuple[str, str], _Refilled]) -> None:
    with (
        job.source.connected(job.database.source_name, purpose="again") as source,
        job.target.connected(job.database.target_name, purpose="again", read_only=False) as target,
    ):
        while (group := work.next()) is not None:
            job.control.check()
            work.add(_refill(job, source, target, group, treated))


def _refill(
    job: DatabaseJob,
    source: Connection,
    target: Connection,
    group: Group,
    treated: dict[tuple[str, str], _Refilled],
) -> int:
    names = ", ".join(table.label for table in group)
    try:
        with target.transaction():
            job.markers.hold_on(target)
            _as_replica(target)
            with _unguarded(target, [treated[table.full_name] for table in group if table.full_name in treated]):
                _empty(target, group)
                return sum(_copy(source, target, table) for table in group)
    except Error as error:
        job.control.check()
        raise explain_failure(
            str(error).strip(),
            endpoint=job.target.endpoint,
            sqlstate=error.sqlstate or "",
            kind=CopyFailed,
            what=f"{names} could not be copied again",
        ) from error


def _as_replica(target: Connection) -> None:
    """Where our user may, foreign keys are not checked row by row: all rows of the other tables are there."""
    try:
        with target.transaction():
            target.execute(REPLICA_ROLE)
    except errors.InsufficientPrivilege:
        return


@contextmanager
def _unguarded(target: Connection, tables: Sequence[_Refilled]) -> Iterator[None]:
    """Let no trigger fire and no policy filter while inside; it is undone in the same transaction."""
    for table in tables:
        name = qualified(*table.full_name)
        for trigger, _ in table.triggers:
            target.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(name, sql.Identifier(trigger)))
        if table.is_forced:
            target.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(name))
    yield
    for table in tables:
        name = qualified(*table.full_name)
        for trigger, enabled in table.triggers:
            words = sql.SQL(ENABLE[enabled])
            target.execute(sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(name, words, sql.Identifier(trigger)))
        if table.is_forced:
            target.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(name))


def _empty(target: Connection, group: Group) -> None:
    """TRUNCATE, or DELETE where a table that is not copied again refers to one of these."""
    names = [sql.SQL("ONLY {}").format(qualified(*table.full_name)) for table in group]
    try:
        with target.transaction():
            target.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(names)))
    except errors.FeatureNotSupported:
        for name in reversed(names):
            target.execute(sql.SQL("DELETE FROM {}").format(name))


def _copy(source: Connection, target: Connection, table: TablePlan) -> int:
    form = sql.SQL("binary" if table.binary else "text")
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in table.columns)
    rows = sql.SQL("SELECT {} FROM ONLY {}").format(columns, qualified(*table.full_name))
    into = sql.SQL("{} ({})" if table.columns else "{}").format(qualified(*table.destination), columns)
    if table.condition:
        raise CopyFailed(f"{table.label} is an extension's own table, which cannot be copied again.")
    read = sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT {})").format(rows, form)
    write = sql.SQL("COPY {} FROM STDIN WITH (FORMAT {})").format(into, form)
    reading, writing = source.cursor(), target.cursor()
    with reading.copy(read) as rows_out, writing.copy(write) as rows_in:
        for block in rows_out:
            rows_in.write(block)
    if reading.rowcount != writing.rowcount:
        raise CopyFailed(f"{table.label}: {reading.rowcount} rows were read and {writing.rowcount} were written.")
    return writing.rowcount


def _read_treatment(target: Connection, plans: Sequence[TablePlan]) -> dict[tuple[str, str], _Refilled]:
    schemas = [name[0] for table in plans for name in (table.full_name, table.destination)]
    names = [name[1] for table in plans for name in (table.full_name, table.destination)]
    found = fetch(target, "refilled_tables", _Refilled, schemas=schemas, names=names)
    return {table.full_name: table for table in found}


def _groups(plans: Sequence[TablePlan], treated: dict[tuple[str, str], _Refilled]) -> list[Group]:
    """Put together what must change in one transaction: tables that refer to each other, partitions of one tree."""
    by_name = {table.full_name: table for table in plans}
    group_of = {name: {name} for name in by_name}
    for name, table in by_name.items():
        referenced = [(schema, other) for schema, other in treated[name].referenced] if name in treated else []
        kin = [other for other, each in by_name.items() if table.tree and each.tree == table.tree]
        for other in (*referenced, *kin):
            if other in by_name and group_of[other] is not group_of[name]:
                group_of[name] |= group_of[other]
                for member in group_of[name]:
                    group_of[member] = group_of[name]
    unique = {id(group): group for group in group_of.values()}
    return [_in_order([by_name[name] for name in by_name if name in group], treated) for group in unique.values()]


def _in_order(group: Group, treated: dict[tuple[str, str], _Refilled]) -> Group:
    """Return referenced tables before those that refer to them, as far as they do not refer to each other."""
    ordered: Group = []
    left = list(group)
    while left:
        waiting = {table.full_name for table in left}
        free = [table for table in left if not (_references(table, treated) & (waiting - {table.full_name}))]
        chosen = free or left[:1]
        ordered += chosen
        left = [table for table in left if table not in chosen]
    return ordered


def _references(table: TablePlan, treated: dict[tuple[str, str], _Refilled]) -> set[tuple[str, str]]:
    found = treated.get(table.full_name)
    return {(schema, name) for schema, name in found.referenced} if found else set()
