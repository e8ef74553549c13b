"""Make the target database: the same encoding and locale, empty, and marked as ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from migrations_app.engine.errors import ConsentMissing, EngineError
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, errors, session_encoding, sql
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.postgres.server_errors import explain_failure
from migrations_app.engine.providers.fingerprint import recognize

RENAME_ATTEMPTS = 25
IS_SUPERUSER = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
OF_THE_SERVER = ("template0", "template1")
PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


@dataclass(frozen=True)
class DatabaseProperties:
    """A row of pg_database in words; ``acl`` is the list of aclitems as text, None for the default."""

    encoding: str
    datcollate: str
    datctype: str
    provider: str
    locale: str | None
    icu_rules: str | None
    owner: str
    datconnlimit: int
    datistemplate: bool
    acl: list[str] | None
    comment: str | None


def read_properties(connection: Connection, name: str) -> DatabaseProperties | None:
    """Return the properties of a database, or None if there is no such database."""
    rows = fetch(connection, "database_properties", DatabaseProperties, name=name)
    return rows[0] if rows else None


def prepare_target(job: DatabaseJob) -> DatabaseJob:
    """Make sure that the target database exists, is ours, and listens to this run only.

    A database that this migration began is continued; one that stood there before is replaced only with consent.
    Returns the job with the facts of both servers filled in. Raises ``ConsentMissing``, ``EngineError``.
    """
    with job.source.connected(purpose="look") as connection:
        properties = read_properties(connection, job.database.source_name)
        source_version = connection.info.server_version
        source_provider = recognize(connection, host=job.source.endpoint.host).provider
    if properties is None:
        raise EngineError(
            f"{job.source.endpoint.label} has no database {job.database.source_name}.",
            hint="Somebody dropped or renamed it since it was chosen. Start a new migration without it.",
        )
    with job.target.connected(purpose="create", read_only=False) as connection:
        target_version = connection.info.server_version
        target_is_superuser = connection.execute(IS_SUPERUSER).fetchone() == (True,)
        target_provider = recognize(connection, host=job.target.endpoint.host).provider
        exists = read_properties(connection, job.database.target_name) is not None
        if not exists or not _is_ours(job):
            _replace(job, connection, properties=properties, exists=exists)
    with job.source.connected(job.database.source_name, purpose="look") as connection:
        encoding, codec = session_encoding(connection), connection.info.encoding
    job = replace(
        job,
        encoding=encoding,
        codec=codec,
        source_version=source_version,
        target_version=target_version,
        target_is_superuser=target_is_superuser,
        source_provider=source_provider,
        target_provider=target_provider,
    )
    with job.target.connected(job.database.target_name, purpose="create", read_only=False) as connection:
        job.markers.take_over(connection)
    return job


def _is_ours(job: DatabaseJob) -> bool:
    with job.target.connected(job.database.target_name, purpose="look", read_only=True) as connection:
        return job.markers.are_ours(connection)


def _replace(job: DatabaseJob, connection: Connection, *, properties: DatabaseProperties, exists: bool) -> None:
    """Build the new database under a name of ours, mark it, and only then let it take the place of the old one.

    So there is no moment at which a database of the wanted name exists and does not tell that it is ours.
    """
    name, building = job.database.target_name, f"_migration_portal_{job.database.id}"[:63]
    if exists and not job.database.overwrite:
        raise ConsentMissing(
            f"{job.target.endpoint.label} already has a database {name}.",
            hint="Choose another name for it on the target, or agree in the wizard that it is overwritten.",
        )
    with _explained(job, f"The database {name} could not be created"):
        if read_properties(connection, building) is not None:
            _drop(connection, building)
        connection.execute(create_statement(building, properties, target_version=connection.info.server_version))
        with job.target.connected(building, purpose="create", read_only=False) as fresh:
            if not _has_schema_public(job):
                fresh.execute("DROP SCHEMA IF EXISTS public")
            job.markers.install(fresh)
    if exists:
        with _explained(job, f"The database {name} could not be dropped"):
            _drop(connection, name)
        job.note(f"Dropped the database {name} on the target, as agreed.")
    with _explained(job, f"The database {name} could not be named"):
        _rename(connection, building, to=name)
    job.note(f"Created the database {name} on the target ({properties.encoding}, {properties.datcollate}).")


def _has_schema_public(job: DatabaseJob) -> bool:
    """A new database has a schema public; the source's owner may have dropped it."""
    with job.source.connected(job.database.source_name, purpose="look") as source:
        return source.execute("SELECT to_regnamespace('public') IS NOT NULL").fetchone() == (True,)


@contextmanager
def _explained(job: DatabaseJob, what: str) -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise explain_failure(
            str(error), endpoint=job.target.endpoint, sqlstate=error.sqlstate or "", kind=EngineError, what=what
        ) from error


def _drop(connection: Connection, name: str) -> None:
    if name not in OF_THE_SERVER:  # a template cannot be dropped
        connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
    if connection.info.server_version >= 130000:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        return
    _end_sessions(connection, name)
    connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def _rename(connection: Connection, name: str, *, to: str) -> None:
    """Rename a database; a session of ours that has just been closed may need a moment to be gone."""
    for attempt in range(RENAME_ATTEMPTS):
        try:
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to))
            )
            return
        except errors.ObjectInUse:
            if attempt == RENAME_ATTEMPTS - 1:
                raise
            _end_sessions(connection, name)
            time.sleep(0.2)


def _end_sessions(connection: Connection, name: str) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", (name,)
    )


def create_statement(name: str, properties: DatabaseProperties, *, target_version: int) -> sql.Composed:
    """Return CREATE DATABASE with the source's encoding and locale, as far as the target's version has words for it."""
    clauses = [
        sql.SQL("TEMPLATE template0"),
        sql.SQL("ENCODING {}").format(sql.Literal(properties.encoding)),
        sql.SQL("LC_COLLATE {}").format(sql.Literal(properties.datcollate)),
        sql.SQL("LC_CTYPE {}").format(sql.Literal(properties.datctype)),
    ]
    if properties.provider != "c":
        words = {"i": "ICU_LOCALE", "b": "BUILTIN_LOCALE"}
        clauses.append(sql.SQL("LOCALE_PROVIDER {}").format(sql.SQL(PROVIDERS[properties.provider])))
        clauses.append(
            sql.SQL("{} {}").format(sql.SQL(words[properties.provider]), sql.Literal(properties.locale or ""))
        )
        if properties.icu_rules and target_version >= 160000:
            clauses.append(sql.SQL("ICU_RULES {}").format(sql.Literal(properties.icu_rules)))
    elif target_version >= 150000:
        clauses.append(sql.SQL("LOCALE_PROVIDER libc"))
    return sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), sql.SQL(" ").join(clauses))
