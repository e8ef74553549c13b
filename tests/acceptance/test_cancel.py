"""Cancel from the page at any phase: within ten seconds nothing of the migration runs anywhere, and the page says
what is on the target.
"""

from __future__ import annotations

import html
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
import pytest

from tests.acceptance.conducting import sessions, slow_table
from tests.acceptance.live_portal import LivePortal, live_portal
from tests.acceptance.web_visitor import WebVisitor
from tests.fixtures.servers import RunningServer

pytestmark = pytest.mark.timeout(300)

CANCEL_SECONDS = 10
REACH_SECONDS = 60
ONLY_ON_TARGET = "current_setting('server_version_num')::int >= 180000"
BUSY = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'pgmig/%' AND state = 'active' AND "
WAITS = BUSY + "wait_event_type = 'Lock'"
SLEEPS = BUSY + "wait_event = 'PgSleep'"

ROWS = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000);"
SLOW_INDEX = (
    "CREATE FUNCTION slow(int) RETURNS int LANGUAGE sql IMMUTABLE AS "
    f"$$SELECT $1 + (pg_sleep(CASE WHEN $1 = 1 AND {ONLY_ON_TARGET} THEN 60 ELSE 0 END) IS NULL)::int$$;"
    "CREATE INDEX slow_one ON t (slow(id));"
)
SLOW_VIEW = (
    "CREATE FUNCTION nap() RETURNS text LANGUAGE sql AS "
    f"$$SELECT pg_sleep(CASE WHEN {ONLY_ON_TARGET} THEN {{seconds}} ELSE 0 END)::text$$;"
    "CREATE MATERIALIZED VIEW rested AS SELECT nap();"
)


@dataclass(frozen=True)
class Phase:
    """How a migration is kept at one phase: a lock held before it starts, or something slow on the target."""

    name: str
    schema: str
    lock: str = ""
    option: str = "Migrate"
    seen_on: str = "target"
    seen_by: str = SLEEPS
    says: str = "DROP DATABASE"


PHASES = (
    Phase(
        "validate", ROWS, lock="LOCK TABLE pg_catalog.pg_publication", option="ValidateAndMigrate",
        seen_on="source", seen_by=WAITS, says="Nothing of this database was written",
    ),
    Phase(
        "roles", ROWS, lock="LOCK TABLE pg_catalog.pg_shdescription",
        seen_on="source", seen_by=WAITS, says="Nothing of this database was written",
    ),
    Phase("schema", ROWS, lock="LOCK TABLE t", seen_on="source", seen_by=WAITS),
    Phase("copy", ROWS + slow_table("wide", rows=2_000_000, milliseconds_per_row=1)),
    Phase("indexes", ROWS + SLOW_INDEX),
    Phase("constraints", ROWS + SLOW_VIEW.format(seconds=60)),
)  # fmt: skip
VERIFY = Phase("verify", ROWS + "CREATE SEQUENCE s; SELECT nextval('s');" + SLOW_VIEW.format(seconds=4))


@pytest.fixture(scope="module")
def portal(servers, tmp_path_factory) -> Iterator[LivePortal]:
    with live_portal(tmp_path_factory.mktemp("portal"), database_server=servers.get(17, name="portal")) as running:
        yield running


@pytest.fixture(scope="module")
def visitor(portal: LivePortal) -> WebVisitor:
    person = WebVisitor(portal.url)
    person.log_in("ada", "a long enough test password")
    return person


@pytest.fixture(scope="module")
def source(servers) -> RunningServer:
    return servers.get(17, name="cancel")


@pytest.fixture(scope="module")
def target(servers) -> RunningServer:
    return servers.get(18, name="cancel")


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_cancel_at(portal, visitor, source, target, phase: Phase) -> None:
    with moving(portal, source, target, phase) as (name, database):
        with held(source, database, phase.lock):
            started = portal.manage("migration", "start", name)
            assert started.returncode == 0, started.stderr
            wait_until(lambda: seen({"source": source, "target": target}[phase.seen_on], phase.seen_by), portal, name)
            wait_until(lambda: phase.name in running_steps(portal, name), portal, name)
            cancel(portal, visitor, name)
            nothing_runs(portal, source, target)
        says_what_is_on_the_target(portal, visitor, name, phase)


def test_cancel_at_verification(portal, visitor, source, target) -> None:
    """Verification waits for a sequence that somebody is just dropping on the source."""
    with moving(portal, source, target, VERIFY) as (name, database):
        started = portal.manage("migration", "start", name)
        assert started.returncode == 0, started.stderr
        wait_until(lambda: seen(target, SLEEPS), portal, name)
        with held(source, database, "DROP SEQUENCE s"):
            wait_until(lambda: seen(source, WAITS), portal, name)
            wait_until(lambda: "verify" in running_steps(portal, name), portal, name)
            cancel(portal, visitor, name)
            nothing_runs(portal, source, target)
        says_what_is_on_the_target(portal, visitor, name, VERIFY)


@contextmanager
def moving(portal: LivePortal, source: RunningServer, target: RunningServer, phase: Phase) -> Iterator[tuple[str, str]]:
    """Create the draft of a migration; yield its name and that of its database."""
    name = f"cancel-at-{phase.name}"
    before, after = source.endpoint(), target.endpoint()
    with source.fresh_database() as database:
        source.psql(phase.schema, database=database)
        created = portal.manage(
            "migration", "create", name, "--no-color", "--option", phase.option, "--jobs", "2",
            "--source", f"127.0.0.1:{before.port}@{before.user}", "--target", f"127.0.0.1:{after.port}@{after.user}",
            "--database", database,
            PORTAL_SOURCE_PASSWORD=before.password, PORTAL_TARGET_PASSWORD=after.password,
        )  # fmt: skip
        assert created.returncode == 0, created.stderr + created.stdout
        try:
            yield name, database
        finally:
            target.drop_database(database)


@contextmanager
def held(server: RunningServer, database: str, statement: str) -> Iterator[None]:
    """Hold a lock for a while; an empty statement holds none."""
    if not statement:
        yield
        return
    with server.connect(database, autocommit=False) as connection:
        connection.execute(statement.encode())
        try:
            yield
        finally:
            connection.rollback()


def seen(server: RunningServer, query: str) -> bool:
    with server.connect() as connection:
        return connection.execute(query.encode()).fetchone() is not None


def running_steps(portal: LivePortal, name: str) -> set[str]:
    ((times,),) = portal.rows("SELECT step_times FROM migrations_app_migration WHERE name = %s", name)
    return {step for step, told in times.items() if told["state"] == "running"}


def wait_until(true: Callable[[], bool], portal: LivePortal, name: str) -> None:
    deadline = time.monotonic() + REACH_SECONDS
    while not true():
        state = portal.rows("SELECT state, step_times, error FROM migrations_app_migration WHERE name = %s", name)
        assert time.monotonic() < deadline and state[0][0] in ("Queued", "InProgress"), state
        time.sleep(0.1)


def cancel(portal: LivePortal, visitor: WebVisitor, name: str) -> None:
    """Press Cancel on the page; the migration is canceled within ten seconds."""
    ((migration_id,),) = portal.rows("SELECT id::text FROM migrations_app_migration WHERE name = %s", name)
    began_at = time.monotonic()
    visitor.post(f"/migrations/{migration_id}/cancel/", {"confirm": name})
    state = ""
    while state != "Canceled" and time.monotonic() < began_at + CANCEL_SECONDS:
        time.sleep(0.1)
        ((state,),) = portal.rows("SELECT state FROM migrations_app_migration WHERE name = %s", name)
    events = portal.rows("SELECT at::text, message FROM migrations_app_migrationevent ORDER BY id DESC LIMIT 6")
    assert state == "Canceled", (state, events)


def nothing_runs(portal: LivePortal, source: RunningServer, target: RunningServer) -> None:
    """No session, no exported snapshot, no child process."""
    deadline = time.monotonic() + 1  # a backend that was told to end needs a moment to be gone from the view
    while sessions(source) + sessions(target) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sessions(source) + sessions(target) == []
    assert os.listdir(source.cluster.data_dir / "pg_snapshots") == []
    assert clients(portal) == []


def clients(portal: LivePortal) -> list[str]:
    found = []
    for process in portal.processes():
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE and re.search("psql|pg_dump|pg_restore", process.name()):
                found.append(process.name())
    return found


def says_what_is_on_the_target(portal: LivePortal, visitor: WebVisitor, name: str, phase: Phase) -> None:
    ((migration_id, on_target, state, database),) = portal.rows(
        "SELECT m.id::text, d.on_target, d.state, d.target_name FROM migrations_app_migrationdatabase d"
        " JOIN migrations_app_migration m ON m.id = d.migration_id WHERE m.name = %s",
        name,
    )
    assert state == "Canceled"
    assert phase.says in on_target and database in on_target
    page = html.unescape(visitor.get(f"/migrations/{migration_id}/"))
    assert on_target in page
    assert "Canceled" in page
