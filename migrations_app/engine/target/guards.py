"""What would act on applied rows, or forbid them, sleeps on the target until the cutover.

What triggers, rules and row security did on the source is in the stream already. A subscription writes as the owner of
a table (from version 16 on), so owners who took rights from themselves have them until then. Each is changed in one
transaction with a note of how it was, as event triggers are; the notes outlive whoever is killed.
https://www.postgresql.org/docs/18/logical-replication-architecture.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, errors, qualified, sql
from migrations_app.engine.postgres.queries.reading import fetch

KIND = "guard"  # of a note
TRIGGER, RULE, ROW_SECURITY, WITHHELD = "trigger", "rule", "row security", "withheld right"
ENABLE = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}  # pg_trigger.tgenabled, pg_rewrite.ev_enabled
WHEN_REPLICA, ALWAYS = ("A", "R"), ("A", "R", "O")


@dataclass(frozen=True)
class Guard:
    """A row of queries/follow_guards.sql or withheld_rights.sql; ``state`` is how it is to be when it wakes.

    Row security has no name. The name of a withheld right is the table's owner, its state a JSON object of ``rights``
    (DELETE and the like) and ``grants`` (the table's aclitems as text).
    """

    kind: str
    schema: str
    table: str
    name: str
    state: str

    def __str__(self) -> str:
        """``trigger audit on shop.orders``, for people."""
        if self.kind == WITHHELD:
            rights = ", ".join(json.loads(self.state)["rights"])
            return f"that {self.name} may not {rights} on {self.schema}.{self.table}"
        return f"{self.kind} {self.name} on {self.schema}.{self.table}".replace("  ", " ")

    def statement(self, *, wake: bool) -> sql.Composed:
        """Return what lets it sleep, or wakes it."""
        table = qualified(self.schema, self.table)
        if self.kind == ROW_SECURITY:
            words = "FORCE" if wake else "NO FORCE"
            return sql.SQL("ALTER TABLE ONLY {} {} ROW LEVEL SECURITY").format(table, sql.SQL(words))
        if self.kind == WITHHELD:
            template = sql.SQL("REVOKE {} ON {} FROM {}" if wake else "GRANT {} ON {} TO {}")
            rights = sql.SQL(", ").join(sql.SQL(right) for right in json.loads(self.state)["rights"])
            return template.format(rights, table, sql.Identifier(self.name))
        words, kind = ENABLE[self.state] if wake else "DISABLE", self.kind.upper()
        change = sql.SQL("ALTER TABLE ONLY {} {} {} {}")
        return change.format(table, sql.SQL(words), sql.SQL(kind), sql.Identifier(self.name))


def put_guards_to_sleep(job: DatabaseJob, *, ordinary_too: bool) -> None:
    """Disable what would act on applied rows; ``ordinary_too`` where the applying user cannot be a replica.

    Must be done while our user owns the tables. May be repeated.
    """
    states = list(ALWAYS if ordinary_too else WHEN_REPLICA)
    with job.target.connected(job.database.target_name, purpose="guards") as target:
        _put_to_sleep(job, target, fetch(target, "follow_guards", Guard, states=states))


def lend_withheld_rights(job: DatabaseJob) -> None:
    """Give owners the rights they took from themselves. Must be done when the tables have their owners and grants."""
    with job.target.connected(job.database.target_name, purpose="guards") as target:
        _put_to_sleep(job, target, fetch(target, "withheld_rights", Guard))


def _put_to_sleep(job: DatabaseJob, target: Connection, found: Sequence[Guard]) -> None:
    if not found:
        return
    with target.transaction():
        job.markers.hold_on(target)
        for guard in found:
            job.markers.add(target, kind=KIND, keys=[_key(guard)], detail=guard.state)
            target.execute(guard.statement(wake=False))
    words = "On the target these are disabled until the cutover, so that changes are applied as they were made"
    job.note(f"{words}: {listed(found)}.")


def listed(guards: Sequence[Guard]) -> str:
    """Return their names, no more than ten, for people."""
    return ", ".join(map(str, guards[:10])) + ("…" if len(guards) > 10 else "")


def read_guards(connection: Connection) -> list[Guard]:
    """Return what sleeps, as it will be when it wakes; empty where the database carries no notes."""
    if connection.execute("SELECT to_regclass('_migration_portal.marker') IS NULL").fetchone() == (True,):
        return []
    rows = connection.execute("SELECT key, detail FROM _migration_portal.marker WHERE kind = %s ORDER BY key", (KIND,))
    return [_guard(key, state) for key, state in rows]


def _guard(key: str, state: str) -> Guard:
    kind, schema, table, name = json.loads(key)
    return Guard(kind, schema, table, name, state)


def wake_guards(job: DatabaseJob, connection: Connection, guards: Iterable[Guard]) -> list[Guard]:
    """Enable what slept, in the caller's transaction; return what was refused. May be repeated."""
    refused = []
    for guard in guards:
        try:
            with connection.transaction():
                connection.execute(guard.statement(wake=True))
        except (errors.UndefinedObject, errors.UndefinedTable):
            continue  # dropped since
        except Error:
            if connection.closed or job.control.stopping:
                raise
            refused.append(guard)
    return refused


def _key(guard: Guard) -> str:
    return json.dumps(astuple(guard)[:4])


def statements_to_wake(guards: Sequence[Guard]) -> str:
    """Return the script that wakes them by hand."""
    return "\n".join(guard.statement(wake=True).as_string(None) + ";" for guard in guards)
