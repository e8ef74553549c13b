"""What of ours is left on a server: looked up by our names, with the statement that removes each by hand."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.errors import ConnectionFailed, EngineError, Stopped
from migrations_app.engine.postgres import Connection, Server, sql
from migrations_app.engine.postgres.queries.reading import fetch, fetch_one
from migrations_app.engine.replication_names import replication_name

STATEMENTS = {
    "replication slot": sql.SQL("SELECT pg_drop_replication_slot({literal});"),
    "publication": sql.SQL("DROP PUBLICATION {name};"),
    "subscription": sql.SQL(
        "ALTER SUBSCRIPTION {name} DISABLE; ALTER SUBSCRIPTION {name} SET (slot_name = NONE); DROP SUBSCRIPTION {name};"
    ),
    "replication origin": sql.SQL("SELECT pg_replication_origin_drop({literal});"),
    "event trigger": sql.SQL("DROP EVENT TRIGGER {name};"),
    "schema": sql.SQL("DROP SCHEMA {name} CASCADE;"),
}


@dataclass(frozen=True)
class Leftover:
    """One thing of ours on a server. ``statement`` removes it in ``database``; ``server_message``: why it is there."""

    server: str
    database: str
    kind: str
    name: str
    statement: str
    server_message: str = ""

    def __str__(self) -> str:
        """``replication slot pgmig_… on dba@10.0.0.4:5432``, for people."""
        return f"{self.kind} {self.name} on {self.server}"


@dataclass(frozen=True)
class _Found:
    kind: str
    name: str


def find_leftovers(server: Server, database: str, *, prefix: str) -> list[Leftover]:
    """Return what bears a name that begins with ``prefix``, and our schema, in ``database``.

    A server that cannot be looked at gives one leftover that says so; a database that is gone has nothing left. The
    schema is not named where another migration that is under way owns it.
    """
    label = server.endpoint.label
    try:
        with server.connected(database, purpose="leftovers", read_only=True) as connection:
            found = fetch(connection, "leftovers", _Found, prefix=prefix)
            if schema_is_of_another(connection, prefix=prefix):
                found = [each for each in found if each.kind != "schema"]
    except Stopped:
        raise
    except EngineError as error:
        if is_gone(error):
            return []
        words = f"{error.message} {error.server_message}".strip()
        script = " ".join(
            _statement(kind, f"{prefix}…") for kind in ("subscription", "replication slot", "publication")
        )
        return [Leftover(label, database, "whatever is left", f"named {prefix}…", script, words)]
    return [Leftover(label, database, each.kind, each.name, _statement(each.kind, each.name)) for each in found]


def schema_is_of_another(connection: Connection, *, prefix: str) -> bool:
    """Tell whether our schema in this database belongs to another migration: its slot is here, or its notes are."""
    others = fetch_one(connection, "leftovers_of_others", _Others, prefix=prefix)
    if others.slots or not others.has_notes:
        return others.slots
    row = connection.execute("SELECT migration_id, database_id FROM _migration_portal.run").fetchone()
    return row is not None and replication_name(row[0], database_id=row[1]) != prefix


@dataclass(frozen=True)
class _Others:
    slots: bool
    has_notes: bool


def is_gone(error: EngineError) -> bool:
    """Tell whether a database does not exist (any more): with it went all that was in it, its slots too."""
    return isinstance(error, ConnectionFailed) and error.kind == "no_database"


def _statement(kind: str, name: str) -> str:
    return STATEMENTS[kind].format(name=sql.Identifier(name), literal=sql.Literal(name)).as_string(None)
