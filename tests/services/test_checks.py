"""One rule or all are run again when somebody asks: by a worker, on real servers, without starting the migration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from migrations_app.engine.spec import Side
from migrations_app.models import FindingCheck, Migration, MigrationEvent, MigrationFinding, Run, State, Substate
from migrations_app.services.checks import check_ask
from migrations_app.services.conductor import conduct
from migrations_app.services.consent import Person, finding_accept, open_warnings
from migrations_app.services.reconcile import reconcile
from migrations_app.services.runs import ActionRefused, migration_start, migrations_to_ring
from tests.fixtures.migrations import note_tests
from tests.fixtures.servers import RunningServer, ServerPool

pytestmark = pytest.mark.django_db(transaction=True)
TRAPS = "CREATE UNLOGGED TABLE t (id int); CREATE TABLE big (id int); SELECT lo_create(0);"


@pytest.fixture
def source(servers: ServerPool) -> Iterator[RunningServer]:
    yield servers.get(15, name="checked-source")


@pytest.fixture
def checked(
    make_migration: Callable[..., Migration], source: RunningServer, servers: ServerPool
) -> Iterator[Migration]:
    """A draft between two real servers whose database has a trap."""
    target = servers.get(18, name="checked-target")
    with source.fresh_database() as name:
        source.psql(TRAPS, database=name)
        draft = make_migration(
            source=source.endpoint(Side.SOURCE),
            target=target.endpoint(Side.TARGET),
            databases=[(name, f"{name}_moved")],
        )
        note_tests()
        yield Migration.objects.get(pk=draft.pk)


def codes(migration: Migration) -> set[str]:
    return set(MigrationFinding.objects.filter(migration=migration).values_list("code", flat=True))


def told(migration: Migration) -> list[str]:
    return list(MigrationEvent.objects.filter(migration=migration).order_by("id").values_list("message", flat=True))


def test_a_draft_is_checked_and_stays_a_draft(checked: Migration, dana: User) -> None:
    check_ask(checked.pk, actor=dana, address="10.1.2.3")
    assert told(checked) == ["Asked to check again: every rule."]
    assert Run.objects.get().doorbell_id is not None
    assert conduct(checked.pk) == "checked 1 times"
    checked.refresh_from_db()
    assert (checked.state, checked.step_times, checked.started_at) == (State.DRAFT, {}, None)
    assert "PM2042" in codes(checked)
    assert FindingCheck.objects.get().ended_at is not None
    assert told(checked)[-1].startswith("Checked again: every rule.")
    assert conduct(checked.pk).startswith("nothing to do")


def test_one_rule_replaces_its_own_findings_only(checked: Migration, source: RunningServer, dana: User) -> None:
    check_ask(checked.pk)
    conduct(checked.pk)
    before = codes(checked)
    others = dict(MigrationFinding.objects.exclude(code="PM2042").values_list("pk", "code"))
    source.psql("ALTER TABLE t SET LOGGED", database=checked.databases.get().source_name)
    finding = MigrationFinding.objects.get(code="PM2042")
    check = check_ask(checked.pk, finding_id=finding.pk, actor=dana)
    assert "PM2042" in check.codes
    assert check.database == checked.databases.get()
    conduct(checked.pk)
    assert codes(checked) == before - {"PM2042"}
    assert dict(MigrationFinding.objects.values_list("pk", "code")) == others
    assert f"Mended: PM2042 {finding.subject}." in told(checked)
    assert told(checked)[-1] == f"Checked again: PM2042 {finding.subject} is mended."


def test_asking_twice_is_asking_once(checked: Migration) -> None:
    assert check_ask(checked.pk).pk == check_ask(checked.pk).pk


def test_a_check_whose_worker_is_gone_is_rung_for(checked: Migration) -> None:
    check_ask(checked.pk)
    Run.objects.update(rung_at=None, doorbell_id=None)
    assert reconcile() == 1
    conduct(checked.pk)
    Run.objects.update(rung_at=None, doorbell_id=None)
    assert migrations_to_ring(not_rung_for=timedelta(0)) == []


def test_a_server_that_is_away_takes_no_finding_off_the_list(checked: Migration) -> None:
    check_ask(checked.pk)
    conduct(checked.pk)
    finding = MigrationFinding.objects.get(code="PM2042")
    type(checked.source).objects.filter(pk=checked.source_id).update(port=1)
    check_ask(checked.pk, finding_id=finding.pk)
    conduct(checked.pk)
    assert {"PM2042", "603000"} <= codes(checked)
    assert told(checked)[-1] == f"Checked again: PM2042 {finding.subject} is still so."


def test_a_migration_that_waits_goes_on_when_the_last_warning_is_mended(checked: Migration, dana: User) -> None:
    check_ask(checked.pk)
    conduct(checked.pk)
    gone = MigrationFinding.objects.create(
        migration=checked, code="PM2042", level="Warning", subject="Table gone", saw="x", phase="validation",
        database=checked.databases.get(),
    )  # fmt: skip
    others = MigrationFinding.objects.filter(level__in=("Warning", "CouldNotCheck")).exclude(pk=gone.pk)
    finding_accept(checked.pk, list(others.values_list("pk", flat=True)), reason="Known.", by=Person(user=dana))
    Migration.objects.update(state=State.WAITING_FOR_USER, substate=Substate.WAITING_FOR_ACCEPTANCE, at_warnings="wait")
    MigrationFinding.objects.filter(level="Failed").delete()
    check_ask(checked.pk, finding_id=gone.pk)
    conduct(checked.pk)
    checked.refresh_from_db()
    assert checked.state == State.QUEUED


def test_what_is_running_or_incomplete_cannot_be_checked(
    checked: Migration, make_migration: Callable[..., Migration]
) -> None:
    with pytest.raises(ActionRefused, match="cannot be checked"):
        check_ask(make_migration().pk)
    Migration.objects.filter(pk=checked.pk).update(state=State.IN_PROGRESS)
    with pytest.raises(ActionRefused, match="in progress"):
        check_ask(checked.pk)


def test_with_the_real_engine_it_waits_and_then_moves(
    checked: Migration, source: RunningServer, servers: ServerPool, dana: User
) -> None:
    database = checked.databases.get()
    source.psql("CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
                database=database.source_name)  # fmt: skip
    Migration.objects.update(at_warnings="wait", roles="skip")
    target = servers.get(18, name="checked-target")
    try:
        migration_start(checked.pk, actor=dana)
        assert conduct(checked.pk) == State.WAITING_FOR_USER
        assert target.psql(f"SELECT count(*) FROM pg_database WHERE datname = '{database.target_name}'") == "0"
        finding_accept(
            checked.pk,
            list(open_warnings(checked.pk).values_list("pk", flat=True)),
            reason="It is not needed.",
            by=Person(user=dana),
        )
        assert conduct(checked.pk) == State.SUCCEEDED
        assert target.psql("SELECT count(*) FROM t", database=database.target_name) == "0"
    finally:
        target.drop_database(database.target_name)
