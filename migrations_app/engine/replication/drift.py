"""See that somebody changed definitions on one side only: changes that arrive would not fit, or be missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import TablePlan
from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.difference import Difference, TableName, typed, written
from migrations_app.engine.replication.drift_columns import Column, compare_columns
from migrations_app.engine.replication.plan import FollowedTable, ReplicationPlan
from migrations_app.engine.replication.planning import WHOLE
from migrations_app.engine.table_copy.planner import plan_tables
from migrations_app.engine.validation.wording import counted

Columns = Mapping[TableName, Sequence[Column]]


@dataclass(frozen=True)
class _Place:
    """A row of queries/follow_places.sql."""

    oid: int
    schema: str
    name: str


@dataclass(frozen=True)
class _Enum:
    """A row of queries/follow_enums.sql."""

    schema: str
    name: str
    labels: list[str]


@dataclass(frozen=True)
class Partition:
    """A row of queries/follow_partitions.sql."""

    schema: str
    name: str
    parent_schema: str
    parent: str
    bound: str
    key: str
    owner: str
    is_attached: bool

    @property
    def full_name(self) -> TableName:
        """Schema and name."""
        return self.schema, self.name

    @property
    def place(self) -> tuple[str, str, str]:
        """The table it belongs to, and its bounds."""
        return self.parent_schema, self.parent, self.bound


def find_drift(
    publisher: Connection, subscriber: Connection, tables: Sequence[FollowedTable], *, by_oid: bool = True
) -> list[Difference]:
    """Compare every followed table, its partitions, and the enums: what a change that arrives must fit.

    ``by_oid``: the tables' OIDs are those of the publisher, so that a table is known by another name too.
    """
    places = read_places(publisher, tables) if by_oid else {}
    names = [places.get(table.oid, table.full_name) for table in tables]
    before = _columns(publisher, names)
    after = _columns(subscriber, [*names, *(table.full_name for table in tables)])
    pairs = zip(tables, names, strict=True)
    taken = {table.full_name for table in tables}
    found = [(now, each) for table, now in pairs if (each := _compare(table, now, before, after, taken=taken))]
    partitions = {each.full_name: each for each in fetch(publisher, "follow_partitions", Partition)}
    columns = _of_partitioned(publisher, subscriber, found, before, after, partitions=partitions)
    enums = _compare_enums(publisher, subscriber)
    return [*columns, *enums, *_compare_partitions(publisher, subscriber, tables, ours=partitions)]


def read_places(publisher: Connection, tables: Sequence[FollowedTable]) -> dict[int, TableName]:
    """Return schema and name of each table as they are on the source now."""
    rows = fetch(publisher, "follow_places", _Place, oids=[table.oid for table in tables])
    return {row.oid: (row.schema, row.name) for row in rows}


def _columns(connection: Connection, names: Sequence[TableName]) -> Columns:
    unique = sorted(set(names))
    found: dict[TableName, list[Column]] = {}
    given = {"schemas": [schema for schema, _ in unique], "names": [name for _, name in unique]}
    for column in fetch(connection, "follow_columns", Column, **given):
        found.setdefault((column.schema, column.table), []).append(column)
    return found


def _compare(
    table: FollowedTable, now: TableName, before: Columns, after: Columns, *, taken: set[TableName]
) -> Difference | None:
    subject = f"table {table.label}"
    if now != table.full_name and now in taken:  # changes arrive by name, so rows of the one went to the other
        saw = f"It is called {'.'.join(now)} on the publishing server now, as another followed table was."
        return Difference(subject, saw, () if now in after else _rename(table, now), again=(table.full_name, now))
    if now not in before and table.columns:
        if table.full_name not in after:
            return None
        drop = written("DROP TABLE {};", qualified(*table.full_name))
        return Difference(subject, "It was dropped on the publishing server.", (drop,), is_harmful=False, destroys=True)
    if now != table.full_name and now not in after:
        return Difference(subject, f"It is called {'.'.join(now)} on the publishing server now.", _rename(table, now))
    if now not in after and table.columns:
        return Difference(subject, "It is missing where the changes arrive.")
    return compare_columns(now, before.get(now, ()), after.get(now, ()))


def _of_partitioned(
    publisher: Connection,
    subscriber: Connection,
    found: Sequence[tuple[TableName, Difference]],
    before: Columns,
    after: Columns,
    *,
    partitions: Mapping[TableName, Partition],
) -> Iterator[Difference]:
    """Tell what differs in partitions once, of the table they belong to: only there can columns be changed."""
    tops = {
        name: _top(name, partitions) for name, _ in found if name in partitions and name in before and name in after
    }
    ours, theirs = (_columns(side, [*tops.values()]) if tops else {} for side in (publisher, subscriber))
    trees: dict[TableName, list[tuple[TableName, Difference]]] = {}
    for name, difference in found:
        top = tops.get(name, name)
        if top in ours and top in theirs and compare_columns(top, ours[top], theirs[top]):
            trees.setdefault(top, []).append((name, difference))
        else:
            yield difference
    for top, told in trees.items():
        yield _of_tree(top, ours[top], theirs[top], of_partition=before[told[0][0]], told=[each for _, each in told])


def _of_tree(
    top: TableName,
    one: Sequence[Column],
    other: Sequence[Column],
    *,
    of_partition: Sequence[Column],
    told: Sequence[Difference],
) -> Difference:
    """A partitioned table holds no rows: a partition knows what those have that are older than a new column."""
    missing = {column.name: column.missing for column in of_partition}
    own = [replace(column, missing=missing.get(column.name)) for column in one]
    difference = compare_columns(top, own, other) or told[0]
    return replace(
        difference,
        saw=f"{difference.saw} So it is in {counted(len(told), 'partition')}.",
        is_harmful=any(each.is_harmful for each in told),
        destroys=any(each.destroys for each in told),
        again=tuple(name for each in told for name in each.again),
    )


def _top(name: TableName, partitions: Mapping[TableName, Partition]) -> TableName:
    while (partition := partitions.get(name)) is not None:
        name = (partition.parent_schema, partition.parent)
    return name


def _rename(table: FollowedTable, now: TableName) -> tuple[str, ...]:
    statements = []
    if now[1] != table.name:
        rename = "ALTER TABLE {} RENAME TO {};"
        statements.append(written(rename, qualified(*table.full_name), sql.Identifier(now[1])))
    if now[0] != table.schema:
        statements.append(written("CREATE SCHEMA IF NOT EXISTS {};", sql.Identifier(now[0])))
        move = "ALTER TABLE {} SET SCHEMA {};"
        statements.append(written(move, qualified(table.schema, now[1]), sql.Identifier(now[0])))
    return tuple(statements)


def _compare_enums(publisher: Connection, subscriber: Connection) -> Iterator[Difference]:
    """A value that is only where the changes arrive does no harm and cannot be dropped."""
    theirs = {(each.schema, each.name): each.labels for each in fetch(subscriber, "follow_enums", _Enum)}
    for each in fetch(publisher, "follow_enums", _Enum):
        known = theirs.get((each.schema, each.name))
        if known is None or not set(each.labels) - set(known):
            continue
        statements = _renamed_values(each, known) if len(known) == len(each.labels) else _added_values(each, known)
        new = ", ".join(label for label in each.labels if label not in known)
        yield Difference(f"type {each.schema}.{each.name}", f"It has new values: {new}.", tuple(statements))


def _renamed_values(enum: _Enum, known: Sequence[str]) -> Iterator[str]:
    for now, before in zip(enum.labels, known, strict=True):
        if now != before:
            rename = "ALTER TYPE {} RENAME VALUE {} TO {};"
            yield written(rename, qualified(enum.schema, enum.name), sql.Literal(before), sql.Literal(now))


def _added_values(enum: _Enum, known: Sequence[str]) -> Iterator[str]:
    for index, label in enumerate(enum.labels):
        if label in known:
            continue
        name, value = qualified(enum.schema, enum.name), sql.Literal(label)
        if index:
            add = "ALTER TYPE {} ADD VALUE IF NOT EXISTS {} AFTER {};"
            yield written(add, name, value, sql.Literal(enum.labels[index - 1]))
        else:
            add = "ALTER TYPE {} ADD VALUE IF NOT EXISTS {} BEFORE {};"
            yield written(add, name, value, sql.Literal(known[0]))


def _compare_partitions(
    publisher: Connection,
    subscriber: Connection,
    tables: Sequence[FollowedTable],
    *,
    ours: Mapping[TableName, Partition],
) -> Iterator[Difference]:
    """Rows of a new partition arrive with the changes; those it had before it was attached do not."""
    roots = {table.full_name for table in tables if table.is_root}
    known = {table.full_name for table in tables}
    theirs = {each.full_name: each for each in fetch(subscriber, "follow_partitions", Partition)}
    wanted = _below(roots, ours)
    for name, each in ours.items():
        if name in wanted and name not in theirs:
            words = " It had been a table before: it is copied again at the cutover." * each.is_attached
            yield Difference(
                f"partition {'.'.join(name)}",
                f"It is new in {each.parent_schema}.{each.parent}, {each.bound}.{words}",
                create_partition(each),
                again=(name,) if each.is_attached else (),
            )
    for name, each in theirs.items():
        if name not in ours and (name in known or name in _below(roots, theirs)):
            yield from _lost_partition(publisher, each, is_table=name in known)


def _below(roots: set[TableName], partitions: Mapping[TableName, Partition]) -> set[TableName]:
    """The partitions of ``roots``, at any depth."""
    found: set[TableName] = set()
    for name, each in partitions.items():
        parent: Partition | None = each
        while parent is not None:
            above = (parent.parent_schema, parent.parent)
            if above in roots:
                found.add(name)
                break
            parent = partitions.get(above)
    return found


def create_partition(partition: Partition) -> tuple[str, ...]:
    """Return what makes a partition; its indexes and constraints come with it."""
    name, parent = qualified(*partition.full_name), qualified(partition.parent_schema, partition.parent)
    key = f" PARTITION BY {partition.key}" if partition.key else ""
    create = written("CREATE TABLE {} PARTITION OF {} {}{};", name, parent, typed(partition.bound), typed(key))
    return create, written("ALTER TABLE {} OWNER TO {};", name, sql.Identifier(partition.owner))


def _lost_partition(publisher: Connection, partition: Partition, *, is_table: bool) -> Iterator[Difference]:
    name, subject = qualified(*partition.full_name), f"partition {'.'.join(partition.full_name)}"
    parent = qualified(partition.parent_schema, partition.parent)
    there = publisher.execute("SELECT to_regclass(%s) IS NOT NULL", (name.as_string(None),)).fetchone()
    if there == (True,):
        detach = written("ALTER TABLE {} DETACH PARTITION {};", parent, name)
        yield Difference(subject, "It was detached on the publishing server.", (detach,), is_harmful=False)
    elif not is_table:  # what is followed by itself is told as a table
        drop = written("DROP TABLE {};", name)
        saw = "It was dropped on the publishing server, with its rows."
        yield Difference(subject, saw, (drop,), is_harmful=False, destroys=True)


def tables_made_since(job: DatabaseJob, publisher: Connection, plan: ReplicationPlan) -> list[TablePlan]:
    """Return the chosen tables of the source that the plan does not know; partitions of what it knows are no such."""
    now = plan_tables(publisher, takes=job.takes, split_bytes=WHOLE, skips_extension=job.source_provider.owns_extension)
    known = {table.full_name for table in plan.tables} | set(read_places(publisher, plan.tables).values())
    partitions = {each.full_name: each for each in fetch(publisher, "follow_partitions", Partition)}
    known |= _below({table.full_name for table in plan.tables if table.is_root}, partitions)
    return [
        table
        for table in now
        if table.full_name not in known and table.tree not in known and not table.is_configuration
    ]
