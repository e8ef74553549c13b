"""What people ask of a database that is followed: when it may be asked, what it leaves, who hears it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django_q.models import OrmQ

from migrations_app.engine.errors import LeaseLost
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.spec import VerificationLevel
from migrations_app.models import (
    Migration,
    MigrationDatabase,
    MigrationEvent,
    OnlinePhase,
    Replication,
    ReplicationRequest,
    State,
    Substate,
)
from migrations_app.services.checks import check_ask
from migrations_app.services.consent import Person
from migrations_app.services.lease import Lease
from migrations_app.services.requests import (
    RowRequests,
    continue_replication,
    pause_replication,
    request_cutover,
    request_finish,
    request_go_back,
    request_rehearsal,
)
from migrations_app.services.runs import ActionRefused
from tests.services.conftest import take_over
from tests.services.following import make_online

pytestmark = pytest.mark.django_db(transaction=True)
TERMINAL = Person(name="root on host")


@pytest.fixture
def waiting(lease: Lease) -> Migration:
    """Two databases that are caught up, under a lease."""
    migration = Migration.objects.get()
    make_online(migration, state=State.WAITING_FOR_USER, substate=Substate.WAITING_FOR_CUTOVER)
    set_phases(OnlinePhase.READY, state=State.WAITING_FOR_USER)
    for row in MigrationDatabase.objects.all():
        Replication.objects.create(
            database=row, engine="through_portal", slot="s", started_at=timezone.now(), state_since=timezone.now()
        )
    migration.refresh_from_db()
    return migration


def set_phases(phase: OnlinePhase, *, name: str | None = None, state: State | None = None) -> None:
    rows = MigrationDatabase.objects.all()
    rows = rows.filter(source_name=name) if name else rows
    rows.update(phase=phase, **({"state": state} if state else {}))


def pk_of(name: str) -> UUID:
    return MigrationDatabase.objects.get(source_name=name).pk


def requests_of(lease: Lease) -> RowRequests:
    return RowRequests(lease.migration_id, fence=lease.fence)


def test_a_request_is_a_row_an_event_and_a_doorbell(waiting: Migration, dana: User) -> None:
    person = Person(user=dana, address="192.0.2.7")
    (row,) = request_cutover(waiting.pk, by=person, database_id=pk_of("shop"), verification=VerificationLevel.FULL)
    assert (row.kind, row.verification, row.asked_by, row.address) == ("cutover", "full", dana, "192.0.2.7")
    event = MigrationEvent.objects.latest("id")
    assert (event.actor, event.address, event.database_id) == (dana, "192.0.2.7", pk_of("shop"))
    assert event.message == "Asked for the cutover, with full verification."
    assert OrmQ.objects.count() == 1
    assert Migration.objects.get().revision > waiting.revision


def test_the_level_of_the_wizard_is_the_default_and_a_terminal_has_a_name(waiting: Migration) -> None:
    Migration.objects.update(cutover_verification=VerificationLevel.NONE)
    rows = request_rehearsal(waiting.pk, by=TERMINAL)
    assert {row.verification for row in rows} == {"none"}
    assert "(root on host, on the command line)" in MigrationEvent.objects.latest("id").message


def test_nothing_is_asked_twice(waiting: Migration) -> None:
    request_rehearsal(waiting.pk, by=TERMINAL, database_id=pk_of("shop"))
    with pytest.raises(ActionRefused) as refused:
        request_cutover(waiting.pk, by=TERMINAL, database_id=pk_of("shop"))
    assert refused.value.hint == "Somebody asked for a rehearsal of shop already, and that has not ended."


def test_all_are_cut_over_together_or_none(waiting: Migration) -> None:
    set_phases(OnlinePhase.FOLLOWING, name="crm", state=State.IN_PROGRESS)
    with pytest.raises(ActionRefused) as refused:
        request_cutover(waiting.pk, by=TERMINAL)
    assert "not crm" in refused.value.message and "one by one" in refused.value.hint
    assert len(request_cutover(waiting.pk, by=TERMINAL, database_id=pk_of("shop"))) == 1


def test_a_database_that_failed_is_not_in_the_way(waiting: Migration) -> None:
    set_phases(OnlinePhase.NONE, name="crm", state=State.FAILED)
    assert len(request_cutover(waiting.pk, by=TERMINAL)) == 1


def test_pause_and_continue_follow_each_other(waiting: Migration) -> None:
    with pytest.raises(ActionRefused, match="Nothing is paused"):
        continue_replication(waiting.pk, by=TERMINAL)
    assert len(pause_replication(waiting.pk, by=TERMINAL)) == 2
    ReplicationRequest.objects.update(ended_at=timezone.now(), succeeded=True)
    Replication.objects.update(state="paused")
    with pytest.raises(ActionRefused) as refused:
        request_cutover(waiting.pk, by=TERMINAL)
    assert "let it go on first" in refused.value.hint
    assert len(continue_replication(waiting.pk, by=TERMINAL)) == 2


def test_the_way_back_is_only_there_where_it_was_chosen(waiting: Migration) -> None:
    with pytest.raises(ActionRefused) as refused:
        request_go_back(waiting.pk, by=TERMINAL, database_id=pk_of("shop"))
    assert "shop is not cut over" in refused.value.hint
    set_phases(OnlinePhase.CUT_OVER)
    with pytest.raises(ActionRefused) as refused:
        request_finish(waiting.pk, by=TERMINAL, database_id=pk_of("shop"))
    assert "without a way back" in refused.value.hint
    Migration.objects.update(fall_back=True, substate=Substate.WAITING_FOR_FALL_BACK)
    assert len(request_go_back(waiting.pk, by=TERMINAL)) == 2


@pytest.mark.parametrize("state", [State.DRAFT, State.QUEUED, State.SUCCEEDED, State.FAILED])
def test_nothing_is_asked_of_a_migration_that_follows_nothing(waiting: Migration, state: State) -> None:
    Migration.objects.update(state=state)
    with pytest.raises(ActionRefused, match=state.label.lower()):
        request_cutover(waiting.pk, by=TERMINAL)


def test_nothing_is_asked_of_a_migration_that_is_being_canceled(waiting: Migration) -> None:
    Migration.objects.update(cancel_requested_at=timezone.now())
    with pytest.raises(ActionRefused, match="being canceled"):
        pause_replication(waiting.pk, by=TERMINAL)


def test_findings_are_not_checked_while_it_follows(waiting: Migration) -> None:
    with pytest.raises(ActionRefused, match="cannot be checked now"):
        check_ask(waiting.pk)


def test_the_engine_reads_the_oldest_and_ends_it(waiting: Migration, lease: Lease) -> None:
    shop = str(pk_of("shop"))
    requests = requests_of(lease)
    assert requests.pending(shop) is None
    first = ReplicationRequest.objects.create(database_id=shop, kind="rehearse", verification="full")
    ReplicationRequest.objects.create(database_id=shop, kind="cutover")
    request = requests.pending(shop)
    assert request is not None
    assert (request.id, request.kind, request.verification) == (str(first.pk), RequestKind.REHEARSE, "full")
    requests.end(request, succeeded=False, message="Not now \x00.")
    requests.end(request, succeeded=True, message="A second answer changes nothing.")
    first.refresh_from_db()
    assert (first.succeeded, first.message) == (False, "Not now .")
    event = MigrationEvent.objects.latest("id")
    assert (event.message, event.level) == ("Not done: rehearse the cutover. Not now .", "Failed")
    following = requests.pending(shop)
    assert following is not None and following.kind is RequestKind.CUTOVER
    requests.close()


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "mend", "subject": "table public.orders", "may_drop": False, "reopen_source": False},
        {"kind": "mend", "subject": "table public.orders", "may_drop": True, "reopen_source": False},
        {"kind": "finish", "subject": "", "may_drop": False, "reopen_source": True},
    ],
)
def test_the_engine_hears_exactly_what_was_asked(waiting: Migration, lease: Lease, asked: dict[str, Any]) -> None:
    """What drops data needs its own confirmation, and nothing else stands for it."""
    shop = str(pk_of("shop"))
    ReplicationRequest.objects.create(database_id=shop, **asked)
    requests = requests_of(lease)
    heard = requests.pending(shop)
    assert heard is not None and {name: getattr(heard, name) for name in asked} == asked
    requests.close()


def test_a_run_that_is_over_hears_nothing_and_ends_nothing(waiting: Migration, lease: Lease) -> None:
    shop = str(pk_of("shop"))
    ReplicationRequest.objects.create(database_id=shop, kind="cutover")
    requests = requests_of(lease)
    request = requests.pending(shop)
    assert request is not None
    take_over(lease.migration_id)
    with pytest.raises(LeaseLost):
        requests.pending(shop)
    with pytest.raises(LeaseLost):
        requests.end(request, succeeded=True)
    assert ReplicationRequest.objects.get().ended_at is None
    requests.close()
