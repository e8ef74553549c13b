"""Who may connect to a database, and whether its transactions begin read-only: read, closed, and put back exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from migrations_app.engine.errors import EngineError
from migrations_app.engine.postgres import Connection, Error, errors, sql
from migrations_app.engine.postgres.queries.reading import fetch

CONNECT = "CONNECT"
IS_SUPERUSER = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
OWNS = (
    "SELECT pg_catalog.pg_has_role(current_user, d.datdba, 'USAGE') FROM pg_catalog.pg_database d WHERE d.datname = %s"
)


@dataclass(frozen=True)
class Grant:
    """One privilege on a database; an empty ``grantee`` is PUBLIC."""

    grantee: str
    grantor: str
    privilege: str
    is_grantable: bool


@dataclass(frozen=True)
class DatabaseAccess:
    """What a fence changes of a database, as it was: ``stored`` is pg_database.datacl, None for the default.

    ``meant`` is the same with the default written out, ``grants`` each privilege of it.
    ``read_only`` is the database's own setting of default_transaction_read_only, None where it has none.
    """

    owner: str
    stored: list[str] | None
    meant: list[str]
    grants: tuple[Grant, ...]
    read_only: str | None


@dataclass(frozen=True)
class _Stored:
    owner: str
    stored: list[str] | None
    meant: list[str]
    read_only: str | None


def read_access(connection: Connection, database: str) -> DatabaseAccess:
    """Return who may connect to ``database``, from any database of its server. Raises ``EngineError``."""
    rows = fetch(connection, "database_access", _Stored, name=database)
    if not rows:
        raise EngineError(f"{connection.info.host}:{connection.info.port} has no database {database} any more.")
    grants = fetch(connection, "database_grants", Grant, name=database)
    found = rows[0]
    return DatabaseAccess(found.owner, found.stored, found.meant, tuple(grants), found.read_only)


def may_close(connection: Connection, database: str) -> bool:
    """Tell whether our user may change a database's settings and grants: it has the rights of its owner."""
    return connection.execute(OWNS, (database,)).fetchone() == (True,)


def close_access(connection: Connection, database: str, *, access: DatabaseAccess) -> None:
    """Make new transactions read-only by default, and keep out every role but ours; in one transaction.

    Superusers cannot be kept out. https://www.postgresql.org/docs/18/sql-revoke.html
    """
    name, ours = sql.Identifier(database), connection.info.user
    with connection.transaction():
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, sql.Identifier(ours)))
        for grantee in _grantees(access.grants, privilege=CONNECT):
            if grantee != ours:
                _revoke(connection, name, grantee, privilege=CONNECT)


def restore_access(connection: Connection, database: str, *, access: DatabaseAccess) -> list[str]:
    """Put back what ``close_access`` changed; return the statements that were refused. Safe to repeat.

    Privileges are granted anew in the order in which they were stored. Where none had been stored, a superuser
    empties the list again; to anybody else the default stays written out, which means the same.
    """
    with connection.transaction():
        _restore_setting(connection, database, access.read_only)
        if read_access(connection, database).stored == access.stored:
            return []
        refused = _grant_anew(connection, database, access)
    if not refused:
        _store_exactly(connection, database, access)
    return refused


def reopening_statements(database: str, access: DatabaseAccess) -> list[str]:
    """Return what a person types to open the database by hand, in the order in which it is typed."""
    composed = [_setting(database, access.read_only), *(statement for _, statement in _grants(database, access))]
    return [statement.as_string(None) + ";" for statement in composed]


def _restore_setting(connection: Connection, database: str, read_only: str | None) -> None:
    if read_access(connection, database).read_only != read_only:
        connection.execute(_setting(database, read_only))


def _setting(database: str, read_only: str | None) -> sql.Composed:
    name = sql.Identifier(database)
    if read_only is None:
        return sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name)
    return sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(name, sql.Literal(read_only))


def _grant_anew(connection: Connection, database: str, access: DatabaseAccess) -> list[str]:
    name = sql.Identifier(database)
    now = read_access(connection, database).grants
    for grantee in dict.fromkeys([*_grantees(now), *_grantees(access.grants)]):
        with _unless_gone(connection):
            _revoke(connection, name, grantee, privilege="ALL")
    refused = []
    for grantor, statement in _grants(database, access):
        if not _granted(connection, statement, grantor=grantor, owner=access.owner):
            refused.append(statement.as_string(None) + ";")
    return refused


@contextmanager
def _unless_gone(connection: Connection) -> Iterator[None]:
    """Let pass that a role was dropped meanwhile: then it has no privilege either."""
    try:
        with connection.transaction():
            yield
    except errors.UndefinedObject:
        return


def _granted(connection: Connection, statement: sql.Composed, *, grantor: str, owner: str) -> bool:
    """A privilege that somebody passed on is granted in that role's name."""
    try:
        with connection.transaction():
            if grantor != owner:
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(grantor)))
            connection.execute(statement)
            connection.execute("SET LOCAL ROLE NONE")
    except Error:
        if connection.closed:
            raise
        return False
    return True


def _store_exactly(connection: Connection, database: str, access: DatabaseAccess) -> None:
    """Only the catalog itself can say that nothing was ever granted, and only a superuser may write there."""
    stored = read_access(connection, database).stored
    if stored != access.stored and connection.execute(IS_SUPERUSER).fetchone() == (True,):
        connection.execute(
            "UPDATE pg_catalog.pg_database SET datacl = %s::text[]::aclitem[] WHERE datname = %s",
            (access.stored, database),
        )


def _grants(database: str, access: DatabaseAccess) -> Iterator[tuple[str, sql.Composed]]:
    """Yield each grant with the role that made it; privileges that differ in nothing else are one grant."""
    together: dict[tuple[str, str, bool], list[str]] = {}
    for grant in access.grants:
        together.setdefault((grant.grantee, grant.grantor, grant.is_grantable), []).append(grant.privilege)
    for (grantee, grantor, is_grantable), privileges in together.items():
        yield (
            grantor,
            sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
                sql.SQL(", ").join(sql.SQL(privilege) for privilege in privileges),
                sql.Identifier(database),
                _role(grantee),
                sql.SQL(" WITH GRANT OPTION" if is_grantable else ""),
            ),
        )


def _grantees(grants: Iterable[Grant], *, privilege: str = "") -> list[str]:
    return list(dict.fromkeys(grant.grantee for grant in grants if privilege in ("", grant.privilege)))


def _revoke(connection: Connection, name: sql.Identifier, grantee: str, *, privilege: str) -> None:
    statement = sql.SQL("REVOKE {} ON DATABASE {} FROM {} CASCADE")
    connection.execute(statement.format(sql.SQL(privilege), name, _role(grantee)))


def _role(name: str) -> sql.Composable:
    return sql.Identifier(name) if name else sql.SQL("PUBLIC")
