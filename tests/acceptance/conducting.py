"""Run a migration's rows through the real services and engine in this process, and read how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from migrations_app.engine.spec import Endpoint, MigrationOption
from migrations_app.models import Migration, MigrationDatabase, MigrationFinding
from migrations_app.services.runs import migration_start
from migrations_app.tasks import conduct_task
from tests.fixtures.migrations import note_tests
from tests.fixtures.servers import RunningServer

WAIT_SECONDS = 30


@dataclass(frozen=True)
class Ended:
    """How a migration ended, as its page tells it."""

    migration: Migration
    database: MigrationDatabase
    seconds: float

    @property
    def state(self) -> str:
        """State of the migration."""
        return self.migration.state

    @property
    def words(self) -> str:
        """Message, server's message and findings: what happened."""
        said = [self.migration.error, self.migration.error_server_message]
        said += [f"{row.subject} {row.saw} {row.server_message}" for row in self.failed]
        return " ".join(said)

    @property
    def remedies(self) -> str:
        """What the page says to do."""
        return " ".join([self.migration.error_hint, *(f"{row.fix} {row.fix_sql}" for row in self.failed)])

    @property
    def failed(self) -> list[MigrationFinding]:
        """Findings that stop the migration."""
        return list(MigrationFinding.objects.filter(migration=self.migration, level="Failed"))


def run(
    make_migration: Callable[..., Migration],
    source: Endpoint,
    target: Endpoint,
    database: str,
    *,
    target_name: str | None = None,
    option: MigrationOption = MigrationOption.MIGRATE,
    **fields: object,
) -> Ended:
    """Start a migration of one database and drive it to its end here."""
    pair = (database, target_name or database)
    migration = make_migration(source=source, target=target, databases=[pair], option=option, **fields)
    note_tests()
    migration_start(migration.pk)
    return drive(migration)


def drive(migration: Migration) -> Ended:
    """Drive a queued migration to its end here."""
    began_at = time.monotonic()
    conduct_task(str(migration.pk))
    seconds = time.monotonic() - began_at
    migration.refresh_from_db()
    return Ended(migration, MigrationDatabase.objects.get(migration=migration), seconds)


def sessions(server: RunningServer, pattern: str = "pgmig/%") -> list[str]:
    """Return the names of the migrations' sessions on a server."""
    query = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE %s"
    with server.connect() as connection:
        return [row[0] for row in connection.execute(query, [pattern])]


class During:
    """Do something to the servers once a session of a migration is seen: ``with During(target, "copy", act):``."""

    def __init__(self, server: RunningServer, purpose: str, act: Callable[[], object], *, query: str = "%") -> None:
        self._server = server
        self._pattern = f"pgmig/%/{purpose}%"
        self._query = query
        self._act = act
        self.acted = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):
                if self._is_there():
                    self._act()
                    self.acted = True
                    return
            time.sleep(0.1)

    def _is_there(self) -> bool:
        seen = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE %s AND query LIKE %s AND state = 'active'"
        with self._server.connect() as connection:
            return connection.execute(seen, [self._pattern, self._query]).fetchone() is not None

    def __enter__(self) -> During:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(WAIT_SECONDS)
        assert self.acted, f"no session like {self._pattern} was seen"


def slow_table(name: str, *, rows: int, milliseconds_per_row: float) -> str:
    """Return SQL for a table that PostgreSQL 18 fills slowly, and older servers at once."""
    seconds = milliseconds_per_row / 1000
    return (
        f"CREATE FUNCTION slow_{name}(int) RETURNS bool LANGUAGE sql AS $$SELECT $1 IS NOT NULL AND "
        f"(pg_sleep(CASE WHEN current_setting('server_version_num')::int >= 180000 THEN {seconds} ELSE 0 END)"
        " IS NOT NULL)$$;"
        f"CREATE TABLE {name} (id int CHECK (slow_{name}(id)));"
        f"INSERT INTO {name} SELECT generate_series(1, {rows});"
    )
