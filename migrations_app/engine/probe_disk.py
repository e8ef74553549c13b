"""Measure the free disk of a server, where that is allowed and leaves nothing behind."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from migrations_app.engine.errors import EngineError
from migrations_app.engine.postgres import Connection, Error, sql
from migrations_app.engine.probe_values import PrivilegeFacts, SettingFacts

TABLE = sql.Identifier("pg_temp", "pgmig_disk")


class DiskNotMeasured(EngineError):
    """The free disk of the server cannot be measured by this user."""


@dataclass(frozen=True)
class DiskSpace:
    """A file system of a server, in bytes."""

    size: int
    free: int


def free_disk_bytes(connection: Connection, settings: SettingFacts, privileges: PrivilegeFacts) -> int:
    """Return the free bytes of the file system that holds the data directory. Raises ``DiskNotMeasured``."""
    if not privileges.execute_programs or settings.data_directory is None:
        raise DiskNotMeasured("The free disk cannot be measured: that needs pg_execute_server_program.")
    if settings.transaction_read_only or not privileges.create_temporary_tables:
        raise DiskNotMeasured("The free disk cannot be measured: the session may not create temporary tables.")
    return measure_disk(connection, settings.data_directory).free


def measure_disk(connection: Connection, directory: str) -> DiskSpace:
    """Return the file system that holds ``directory``, which may be relative to the data directory.

    ``df`` is run by the server into a temporary table, in a transaction that is rolled back: nothing stays.
    Raises ``DiskNotMeasured``.
    """
    try:
        with connection.transaction(force_rollback=True):
            return _parse(_run_df(connection, directory))
    except Error as error:
        if connection.broken or connection.closed:
            raise
        raise DiskNotMeasured(
            "The free disk cannot be measured: the server does not run df.", server_message=str(error).strip()
        ) from error


def _run_df(connection: Connection, directory: str) -> list[str]:
    command = f"LC_ALL=C df -Pk -- {shlex.quote(directory)}"
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE pgmig_disk (line text)"))
    connection.execute(sql.SQL("COPY {} FROM PROGRAM {} WITH (DELIMITER E'\\x01')").format(TABLE, sql.Literal(command)))
    return [str(row[0]) for row in connection.execute(sql.SQL("SELECT line FROM {}").format(TABLE))]


def _parse(lines: list[str]) -> DiskSpace:
    """Read df's second line: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/df.html"""
    words = lines[1].rsplit(maxsplit=5) if len(lines) > 1 else []
    if len(words) != 6 or not (words[1].isdigit() and words[3].isdigit()):
        raise DiskNotMeasured("The free disk cannot be measured: df printed something else.")
    return DiskSpace(size=int(words[1]) * 1024, free=int(words[3]) * 1024)
