"""The services with the real engine between two real servers."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.db import connection
from django.utils import timezone

from migrations_app.engine.postgres import Server
from migrations_app.models import (
    Migration,
    MigrationDatabase,
    MigrationEvent,
    Part,
    State,
    TableCopy,
    VerificationResult,
)
from migrations_app.services.runs import migration_cancel, migration_resume, migration_start
from migrations_app.tasks import conduct_task
from tests.fixtures.migrations import note_tests
from tests.fixtures.servers import SourceAndTarget

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA = """
CREATE TABLE customer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE "weird ""name" (customer_id bigint REFERENCES customer, note text);
CREATE INDEX ON customer (lower(name));
INSERT INTO customer (name) SELECT 'customer ' || n FROM generate_series(1, 5000) n;
INSERT INTO "weird ""name" SELECT n, 'note' FROM generate_series(1, 100) n;
"""


def start(make_migration: Callable[..., Migration], servers: SourceAndTarget, database: str, target: str) -> Migration:
    source, destination = servers.endpoints
    migration = make_migration(source=source, target=destination, databases=[(database, target)])
    note_tests()
    migration_start(migration.pk)
    return migration


def test_a_database_moves_and_its_rows_tell_the_story(
    make_migration: Callable[..., Migration], source_and_target: SourceAndTarget
) -> None:
    with source_and_target.source.fresh_database() as database:
        source_and_target.source.psql(SCHEMA, database=database)
        migration = start(make_migration, source_and_target, database, f"{database}_new")
        try:
            said = conduct_task(str(migration.pk))
            migration.refresh_from_db()
            assert said == State.SUCCEEDED, (migration.error, migration.error_hint, migration.error_server_message)
            row = MigrationDatabase.objects.get()
            assert (row.state, row.verified, row.rows_done, row.tables_done) == (State.SUCCEEDED, "identical", 5100, 2)
            assert (row.indexes_done, row.indexes_total) == (3, 3)
            assert row.bytes_done > 0
            assert set(Part.objects.values_list("copies", flat=True)) == {1}
            assert {table.state for table in TableCopy.objects.all()} == {"done"}
            assert VerificationResult.objects.filter(result="identical").exists()
            assert {step["state"] for step in migration.step_times.values()} <= {"done", "skipped"}
            assert MigrationEvent.objects.count() > 10
        finally:
            source_and_target.target.drop_database(f"{database}_new")


def test_what_fails_is_resumed_once_it_is_mended(
    make_migration: Callable[..., Migration], source_and_target: SourceAndTarget
) -> None:
    migration = start(make_migration, source_and_target, "comes_later", "comes_later_new")
    assert conduct_task(str(migration.pk)) in (State.FAILED, State.VALIDATION_FAILED)
    migration.refresh_from_db()
    assert migration.error and migration.error_hint
    source_and_target.source.create_database("comes_later")
    try:
        source_and_target.source.psql(SCHEMA, database="comes_later")
        migration_resume(migration.pk)
        said = conduct_task(str(migration.pk))
        migration.refresh_from_db()
        assert said == State.SUCCEEDED, (migration.error, migration.error_hint, migration.error_server_message)
    finally:
        source_and_target.source.drop_database("comes_later")
        source_and_target.target.drop_database("comes_later_new")


def sessions_of(migration: Migration, servers: SourceAndTarget) -> int:
    question = f"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgmig/{str(migration.pk)[:8]}/%'"
    return sum(int(server.psql(question)) for server in (servers.source, servers.target))


def test_a_cancel_ends_what_a_killed_worker_left_on_the_servers(
    make_migration: Callable[..., Migration], source_and_target: SourceAndTarget
) -> None:
    migration = start(make_migration, source_and_target, "postgres", "never_made")
    Migration.objects.update(state=State.IN_PROGRESS, started_at=timezone.now())
    target = Server(source_and_target.endpoints[1], tag=f"pgmig/{str(migration.pk)[:8]}/1")
    left_over = target.open(purpose="index0")
    assert sessions_of(migration, source_and_target) == 1
    migration_cancel(migration.pk)
    assert conduct_task(str(migration.pk)) == State.CANCELED
    assert sessions_of(migration, source_and_target) == 0
    assert MigrationEvent.objects.filter(message__contains="1 sessions of this migration").exists()
    left_over.close()


def portal_sessions() -> set[int]:
    """Backends of the portal's own database, the test's own among them; earlier tests may have left some."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()"
        )
        return {pid for (pid,) in cursor.fetchall()}


def test_a_run_leaves_no_session_in_the_portals_own_database(
    make_migration: Callable[..., Migration], source_and_target: SourceAndTarget
) -> None:
    before = portal_sessions()
    with source_and_target.source.fresh_database() as database:
        source_and_target.source.psql(SCHEMA, database=database)
        migration = start(make_migration, source_and_target, database, f"{database}_new")
        assert conduct_task(str(migration.pk)) == State.SUCCEEDED
        source_and_target.target.drop_database(f"{database}_new")
    deadline = time.monotonic() + 10  # a backend needs a moment to see that its client has gone
    while left := portal_sessions() - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert sessions_of(migration, source_and_target) == 0
