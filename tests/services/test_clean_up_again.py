"""A clean-up by hand, after the end: what was there is removed, and what is left is listed, of both servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from migrations_app.engine.replication_names import replication_name
from migrations_app.engine.spec import MigrationMode, Side
from migrations_app.models import CleanUp, Migration, MigrationEndpoint, MigrationEvent, Run, State
from migrations_app.services.clean_up_again import NOTHING_LEFT, request_clean_up
from migrations_app.services.conductor import conduct
from migrations_app.services.consent import Person
from migrations_app.services.credentials import forget_password
from migrations_app.services.runs import ActionRefused
from tests.fixtures.servers import ServerPool

pytestmark = pytest.mark.django_db(transaction=True)
BY = Person(name="dana@host")


def test_what_is_left_is_removed_and_the_rest_is_listed(
    servers: ServerPool, make_migration: Callable[..., Migration]
) -> None:
    source, target = servers.get(18), servers.get(18, name="target")
    with source.fresh_database() as name:
        migration = make_migration(
            source=source.endpoint(Side.SOURCE), target=target.endpoint(Side.TARGET), databases=[name]
        )
        with pytest.raises(ActionRefused, match="cannot be cleaned up: it is draft"):
            request_clean_up(migration.pk, by=BY)
        migration.databases.update(started_at=timezone.now(), state=State.FAILED)
        Migration.objects.update(mode=MigrationMode.ONLINE, state=State.FAILED, forget_passwords=True)
        slot = replication_name(str(migration.pk), database_id=str(migration.databases.get().pk))
        source.psql(
            f"CREATE PUBLICATION {slot} FOR ALL TABLES; CREATE SCHEMA _migration_portal;"
            f" SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')",
            database=name,
        )
        asked = request_clean_up(migration.pk, by=BY)
        assert request_clean_up(migration.pk, by=BY) == asked, "asking twice is asking once"
        assert conduct(migration.pk) == NOTHING_LEFT
        asked.refresh_from_db()
        assert asked.nothing_is_left and asked.ended_at is not None and asked.message == NOTHING_LEFT
        removed = {(item.side, item.kind): item.removed for item in asked.items.all() if item.removed}
        assert removed == {
            ("source", "replication slot"): [slot],
            ("source", "publication"): [slot],
            ("source", "schema"): ["_migration_portal"],
        }
        assert {item.side for item in asked.items.all()} == {"source", "target"}
        assert not any(item.left for item in asked.items.all())
        assert MigrationEvent.objects.filter(message=f"Cleaned up again. {NOTHING_LEFT}").exists()
        assert not MigrationEndpoint.objects.exclude(sealed_password="").exists(), "erased again"
        with pytest.raises(ActionRefused, match="password of the source and of the target was erased"):
            request_clean_up(migration.pk, by=BY)


def test_a_schema_that_another_migration_uses_by_now_is_left_alone(
    servers: ServerPool, make_migration: Callable[..., Migration]
) -> None:
    source = servers.get(18)
    with source.fresh_database() as name:
        migration = make_migration(
            source=source.endpoint(Side.SOURCE), target=source.endpoint(Side.TARGET), databases=[(name, f"{name}_new")]
        )
        migration.databases.update(started_at=timezone.now())
        Migration.objects.update(mode=MigrationMode.ONLINE, state=State.CANCELED)
        source.psql(
            "CREATE SCHEMA _migration_portal;"
            " SELECT pg_create_logical_replication_slot('pgmig_0000_other', 'pgoutput')",
            database=name,
        )
        try:
            request_clean_up(migration.pk, by=BY)
            assert conduct(migration.pk) == NOTHING_LEFT
            assert source.psql("SELECT to_regnamespace('_migration_portal') IS NOT NULL", database=name) == "t"
        finally:
            source.psql("SELECT pg_drop_replication_slot('pgmig_0000_other')", database=name)


def test_a_server_that_is_away_is_part_of_the_answer(make_migration: Callable[..., Migration]) -> None:
    from tests.services.conftest import SOURCE, TARGET

    migration = make_migration(source=SOURCE, target=TARGET, databases=["shop"])
    migration.databases.update(started_at=timezone.now())
    Migration.objects.update(mode=MigrationMode.ONLINE, state=State.CANCELED)
    Run.objects.get_or_create(migration=migration)
    asked = CleanUp.objects.create(migration=migration)
    forget_password(migration.source)
    said = conduct(migration.pk)
    asked.refresh_from_db()
    assert asked.ended_at is not None and asked.nothing_is_left is not True
    assert said == asked.message and ("Still there: whatever is left" in said or "Not cleaned up" in said)
