"""An online migration through the portal's services, with the real engine between two real servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from migrations_app.engine.spec import MigrationMode, MigrationOption, RolePolicy, Side
from migrations_app.models import (
    CutoverAttempt,
    Migration,
    MigrationDatabase,
    MigrationEvent,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    Run,
    State,
    Substate,
)
from migrations_app.services.consent import Person
from migrations_app.services.requests import (
    continue_replication,
    pause_replication,
    request_cutover,
    request_finish,
    request_go_back,
    request_rehearsal,
)
from migrations_app.services.runs import migration_cancel, migration_start
from migrations_app.tasks import conduct_task
from tests.engine.following_online import moving_online
from tests.fixtures.migrations import note_tests
from tests.fixtures.servers import RunningServer, ServerPool

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, what text, n int);
INSERT INTO orders (what, n) SELECT 'order ' || i, i FROM generate_series(1, 500) i;
CREATE TABLE pile (what text);
INSERT INTO pile VALUES ('a'), ('b');
"""
DANA = Person(name="dana")


class Move:
    """A migration, its servers, and a worker that answers every doorbell."""

    def __init__(self, migration: Migration, source: RunningServer, target: RunningServer, database: str) -> None:
        self.migration, self.source, self.target, self.database = migration, source, target, database
        self._ended = threading.Event()
        self._worker = threading.Thread(target=self._work, daemon=True)
        self.said: list[str] = []

    def _work(self) -> None:
        try:
            while not self._ended.is_set():
                self.said.append(conduct_task(str(self.migration.pk)))
                self._ended.wait(0.3)
        finally:
            connection.close()

    def __enter__(self) -> Move:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if not self.row.is_terminal:
            migration_cancel(self.migration.pk)
            conduct_task(str(self.migration.pk))
        self._worker.join(60)

    @property
    def row(self) -> Migration:
        return Migration.objects.get(pk=self.migration.pk)

    def wait(self, condition: Callable[[], object], *, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            events = list(MigrationEvent.objects.order_by("-id").values_list("message", flat=True)[:8])
            assert time.monotonic() < deadline, (self.row.state, self.row.substate, self.row.error, events, self.said)
            time.sleep(0.2)

    def wait_for(self, substate: Substate) -> None:
        self.wait(lambda: self.row.substate == substate)

    def done(self, requests: list[ReplicationRequest]) -> ReplicationRequest:
        (request,) = requests
        self.wait(lambda: ReplicationRequest.objects.get(pk=request.pk).ended_at)
        request.refresh_from_db()
        assert request.succeeded, request.message
        return request

    def count(self, server: RunningServer) -> int:
        return int(server.psql("SELECT count(*) FROM orders", database=self.database))


@pytest.fixture
def moving(
    servers: ServerPool, make_migration: Callable[..., Migration], tmp_path: object
) -> Iterator[Callable[..., object]]:
    source, target = servers.get(17), servers.get(18, name="target")

    @contextmanager
    def move(**fields: object) -> Iterator[Move]:
        with moving_online(source, target, tmp_path, schema=SCHEMA) as made:  # type: ignore[arg-type]
            name = made.databases[0]
            migration = make_migration(
                source=source.endpoint(Side.SOURCE),
                target=target.endpoint(Side.TARGET),
                databases=[name],
                mode=MigrationMode.ONLINE,
                option=MigrationOption.MIGRATE,
                roles=RolePolicy.SKIP,
                **fields,
            )
            note_tests()
            migration_start(migration.pk)
            with Move(migration, source, target, name) as moving:
                yield moving

    yield move


def test_server_to_server_holds_no_worker_and_is_cut_over(moving: Callable[..., Move]) -> None:
    with moving() as move:
        move.wait_for(Substate.WAITING_FOR_CUTOVER)
        move.wait(lambda: any(said.startswith("follows by itself") for said in move.said))
        row = Replication.objects.get()
        assert (row.engine, row.state, row.database.phase) == ("server_to_server", "applying", OnlinePhase.READY)
        assert row.reason and row.samples.exists()
        move.source.psql(
            "INSERT INTO orders (what) VALUES ('late'); INSERT INTO pile VALUES ('c')", database=move.database
        )
        move.done(request_rehearsal(move.migration.pk, by=DANA))
        rehearsal = CutoverAttempt.objects.get()
        assert (rehearsal.is_rehearsal, rehearsal.result) == (True, "rehearsed")
        move.done(request_cutover(move.migration.pk, by=DANA))
        move.wait(lambda: move.row.is_terminal)
        assert (move.row.state, move.row.error) == (State.SUCCEEDED, "")
        assert move.count(move.target) == 501
        attempt = CutoverAttempt.objects.get(is_rehearsal=False)
        assert attempt.result == "done" and attempt.downtime_seconds and attempt.fence_lsn
        assert [step.step for step in attempt.steps.all()][:3] == ["readiness", "fence", "drain"]
        database = MigrationDatabase.objects.get()
        assert (database.state, database.phase, database.verified) == (
            State.SUCCEEDED,
            OnlinePhase.CUT_OVER,
            "identical",
        )
        took_over = MigrationEvent.objects.filter(message__contains="took over").count()
        assert took_over == 0, "to look again is no news"
        assert Run.objects.get().lease_until is None


def test_through_the_portal_there_is_a_way_back(moving: Callable[..., Move]) -> None:
    with moving(apply_engine="through_portal", fall_back=True, cutover_verification="full") as move:
        move.wait_for(Substate.WAITING_FOR_CUTOVER)
        assert Run.objects.get().lease_until is not None, "the worker that follows holds it"
        move.done(pause_replication(move.migration.pk, by=DANA))
        move.wait(lambda: Replication.objects.get().state == "paused")
        move.source.psql("INSERT INTO orders (what) VALUES ('while paused')", database=move.database)
        move.done(continue_replication(move.migration.pk, by=DANA))
        move.wait(lambda: move.count(move.target) == 501)
        move.wait(lambda: Replication.objects.get().state == "applying")  # as the next sample tells
        move.done(request_cutover(move.migration.pk, by=DANA))
        move.wait_for(Substate.WAITING_FOR_FALL_BACK)
        move.target.psql("INSERT INTO orders (what) VALUES ('after')", database=move.database)
        move.wait(lambda: Replication.objects.filter(direction="reverse", state="applying").exists())
        move.done(request_go_back(move.migration.pk, by=DANA))
        move.wait(lambda: move.row.is_terminal)
        assert move.row.state == State.CANCELED, move.row.error
        assert move.count(move.source) == 502
        assert MigrationDatabase.objects.get().phase == OnlinePhase.GONE_BACK


def test_finish_ends_it_and_leaves_nothing(moving: Callable[..., Move]) -> None:
    with moving(fall_back=True) as move:
        move.wait_for(Substate.WAITING_FOR_CUTOVER)
        move.done(request_cutover(move.migration.pk, by=DANA))
        move.wait_for(Substate.WAITING_FOR_FALL_BACK)
        move.done(request_finish(move.migration.pk, by=DANA))
        move.wait(lambda: move.row.is_terminal)
        assert (move.row.state, move.row.error) == (State.SUCCEEDED, "")
        for server in (move.source, move.target):
            assert server.psql("SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pgmig%'").strip() == "0"


def test_a_cancel_removes_the_slot(moving: Callable[..., Move]) -> None:
    with moving() as move:
        move.wait_for(Substate.WAITING_FOR_CUTOVER)
        slot = Replication.objects.get().slot
        question = f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}'"
        assert move.source.psql(question).strip() == "1"
        migration_cancel(move.migration.pk)
        move.wait(lambda: move.row.is_terminal)
        assert move.row.state == State.CANCELED
        assert move.source.psql(question).strip() == "0"
