"""What a person asks of a migration."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ

from migrations_app.engine.spec import MigrationMode, MigrationOption
from migrations_app.models import Migration, MigrationDatabase, MigrationEndpoint, MigrationEvent, Run, State, Substate
from migrations_app.services.credentials import open_password
from migrations_app.services.doorbell import queue_name
from migrations_app.services.lease import claim
from migrations_app.services.reconcile import reconcile
from migrations_app.services.runs import (
    ActionRefused,
    migration_cancel,
    migration_resume,
    migration_start,
    passwords_forgotten,
    problems_before_start,
    ring,
)

pytestmark = pytest.mark.django_db


def reload(migration: Migration) -> Migration:
    return Migration.objects.get(pk=migration.pk)


def fail(migration: Migration, **changes: object) -> None:
    Migration.objects.filter(pk=migration.pk).update(
        state=State.FAILED, started_at=timezone.now(), ended_at=timezone.now(), error="It broke.", **changes
    )
    Run.objects.get_or_create(migration=migration)


def test_start_queues_the_draft_and_rings_once(draft: Migration, dana: User) -> None:
    migration_start(draft.pk, actor=dana, address="192.0.2.7")
    assert reload(draft).state == State.QUEUED
    event = MigrationEvent.objects.get()
    assert (event.actor, event.address) == (dana, "192.0.2.7")
    assert OrmQ.objects.get().key == queue_name()
    assert OrmQ.objects.get().task["args"] == (str(draft.pk),)


def test_the_queue_holds_an_id_and_no_secret(draft: Migration) -> None:
    migration_start(draft.pk)
    task = OrmQ.objects.get().task
    assert (task["args"], task["kwargs"], task["timeout"]) == ((str(draft.pk),), {}, -1)
    for secret in ("source secret", "target secret", "source.example"):
        assert secret not in repr(task) and secret not in OrmQ.objects.get().payload


def test_an_incomplete_draft_says_all_that_is_missing(draft: Migration) -> None:
    MigrationEndpoint.objects.filter(pk=draft.source_id).update(tested_at=None)
    MigrationEndpoint.objects.filter(pk=draft.target_id).update(host="")
    MigrationDatabase.objects.all().delete()
    with pytest.raises(ActionRefused) as refused:
        migration_start(draft.pk)
    for words in ("source server has not been tested", "target server is not chosen", "No database"):
        assert words in refused.value.hint
    assert len(problems_before_start(reload(draft))) == 3
    assert (reload(draft).state, OrmQ.objects.count()) == (State.DRAFT, 0)


def test_nothing_starts_over_a_database_that_nobody_agreed_to_lose(draft: Migration) -> None:
    target = MigrationEndpoint.objects.get(pk=draft.target_id)
    target.facts["databases"] = {"shop": {"size_bytes": 1}}
    target.save()
    with pytest.raises(ActionRefused) as refused:
        migration_start(draft.pk)
    assert "On the target shop would be overwritten" in refused.value.hint
    MigrationDatabase.objects.filter(target_name="shop").update(overwrite=True)
    migration_start(draft.pk)


def test_nothing_starts_where_the_databases_of_the_target_are_not_known(draft: Migration) -> None:
    MigrationEndpoint.objects.filter(pk=draft.target_id).update(facts={})
    with pytest.raises(ActionRefused) as refused:
        migration_start(draft.pk)
    assert "choose the databases again" in refused.value.hint


@pytest.mark.parametrize("option", list(MigrationOption))
def test_online_is_started_with_every_option(draft: Migration, option: MigrationOption) -> None:
    Migration.objects.update(mode=MigrationMode.ONLINE, option=option)
    migration_start(draft.pk)
    assert reload(draft).state == State.QUEUED


def test_a_start_time_is_waited_for(draft: Migration) -> None:
    Migration.objects.update(scheduled_at=timezone.now() + timedelta(hours=1))
    migration_start(draft.pk)
    assert (reload(draft).state, reload(draft).substate) == (State.QUEUED, Substate.WAITING_FOR_WINDOW)
    assert (reconcile(), OrmQ.objects.count()) == (0, 0)
    Migration.objects.update(scheduled_at=timezone.now() - timedelta(seconds=1))
    assert (reconcile(), OrmQ.objects.count()) == (1, 1)


def test_starting_twice_is_refused(draft: Migration) -> None:
    migration_start(draft.pk)
    with pytest.raises(ActionRefused, match="it is queued"):
        migration_start(draft.pk)
    assert OrmQ.objects.count() == 1


def test_a_queued_migration_is_canceled_at_once(draft: Migration, dana: User) -> None:
    Migration.objects.update(forget_passwords=True)
    migration_start(draft.pk)
    migration_cancel(draft.pk, actor=dana)
    assert reload(draft).state == State.CANCELED
    assert OrmQ.objects.count() == 0
    databases = MigrationDatabase.objects.all()
    assert {database.state for database in databases} == {State.CANCELED}
    assert all("Nothing of this database was written" in database.on_target for database in databases)
    assert {row.sealed_password for row in MigrationEndpoint.objects.all()} == {""}


def test_a_running_migration_is_asked_to_cancel_once(draft: Migration, dana: User) -> None:
    migration_start(draft.pk)
    assert claim(draft.pk)
    Migration.objects.update(state=State.IN_PROGRESS)
    migration_cancel(draft.pk, actor=dana)
    first = reload(draft)
    migration_cancel(draft.pk, actor=dana)
    again = reload(draft)
    assert first.state == State.IN_PROGRESS
    assert first.substate == Substate.CANCELING
    assert first.cancel_requested_at and first.cancel_requested_at == again.cancel_requested_at
    assert MigrationEvent.objects.filter(message="Cancel requested.").count() == 1


def test_canceling_what_nobody_drives_rings_for_somebody_to_clear_up(draft: Migration) -> None:
    Migration.objects.update(state=State.IN_PROGRESS, started_at=timezone.now())
    migration_cancel(draft.pk)
    assert OrmQ.objects.count() == 1


@pytest.mark.parametrize("state", [State.DRAFT, State.SUCCEEDED, State.FAILED, State.CANCELED])
def test_what_does_not_run_cannot_be_canceled(draft: Migration, state: State) -> None:
    Migration.objects.update(state=state)
    with pytest.raises(ActionRefused) as refused:
        migration_cancel(draft.pk)
    assert refused.value.hint


def test_resume_keeps_what_arrived(draft: Migration, dana: User) -> None:
    fail(draft, cancel_requested_at=timezone.now())
    MigrationDatabase.objects.filter(source_name="shop").update(state=State.SUCCEEDED, verified="identical")
    MigrationDatabase.objects.filter(source_name="crm").update(state=State.FAILED, error="x", tables_done=7)
    migration_resume(draft.pk, actor=dana)
    after = reload(draft)
    assert (after.state, after.error, after.ended_at, after.cancel_requested_at) == (State.QUEUED, "", None, None)
    crm, shop = MigrationDatabase.objects.all()
    assert (crm.state, crm.error, crm.tables_done) == (State.QUEUED, "", 7)
    assert (shop.state, shop.verified) == (State.SUCCEEDED, "identical")
    assert OrmQ.objects.count() == 1


def test_a_migration_that_resumed_and_is_canceled_again_is_cleared_up_by_a_conductor(draft: Migration) -> None:
    fail(draft)
    migration_resume(draft.pk)
    migration_cancel(draft.pk)
    assert (reload(draft).state, bool(reload(draft).cancel_requested_at)) == (State.QUEUED, True)


@pytest.mark.parametrize("state", [State.DRAFT, State.QUEUED, State.SUCCEEDED, State.CANCELED, State.IN_PROGRESS])
def test_only_a_failure_can_be_resumed(draft: Migration, state: State) -> None:
    Migration.objects.update(state=state)
    with pytest.raises(ActionRefused):
        migration_resume(draft.pk)


def test_forgotten_passwords_are_given_again_to_resume(draft: Migration) -> None:
    fail(draft, forget_passwords=True)
    MigrationEndpoint.objects.update(sealed_password="")
    assert passwords_forgotten(reload(draft)) == ["source", "target"]
    migration_resume(draft.pk, source_password="new source", target_password="new target")
    assert open_password(reload(draft).source) == "new source"
    assert passwords_forgotten(reload(draft)) == []


def taken(queued_id: int | None) -> None:
    OrmQ.objects.filter(pk=queued_id).update(lock=timezone.now() + timedelta(days=8))


def doorbell(migration_id: UUID) -> int | None:
    return Run.objects.get(migration_id=migration_id).doorbell_id


def test_a_migration_has_at_most_one_place_in_the_queue(queued: Migration) -> None:
    assert ring(queued.pk)
    assert not ring(queued.pk)
    first = doorbell(queued.pk)
    taken(first)
    assert ring(queued.pk)
    assert doorbell(queued.pk) != first
    assert OrmQ.objects.count() == 1


def test_reconcile_rings_for_what_nobody_drives(queued: Migration) -> None:
    assert reconcile() == 1
    taken(doorbell(queued.pk))
    assert reconcile() == 0, "rung a moment ago"
    Run.objects.update(rung_at=Now() - timedelta(seconds=6))
    assert reconcile() == 1
    Migration.objects.update(state=State.IN_PROGRESS)
    assert claim(queued.pk)
    taken(doorbell(queued.pk))
    Run.objects.update(rung_at=Now() - timedelta(seconds=6))
    assert reconcile() == 0, "driven"
    Run.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert reconcile() == 1


@pytest.mark.parametrize("state", [State.DRAFT, State.SUCCEEDED, State.FAILED, State.CANCELED, State.PAUSED])
def test_reconcile_leaves_alone_what_is_not_to_be_driven(queued: Migration, state: State) -> None:
    Migration.objects.update(state=state)
    assert reconcile() == 0
