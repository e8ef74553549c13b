"""Commands that move real databases between real servers, and their exit codes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest
from django.db import connection

from migrations_app.models import Migration, MigrationDatabase, State, VerificationResult
from tests.cli.conftest import Command, Shop

pytestmark = pytest.mark.django_db(transaction=True)


def test_create_and_wait_moves_a_database_and_ends_with_0(shop: Shop, worker: None, migration_command: Command) -> None:
    said = migration_command("create", "shop", *shop.arguments, "--wait")
    assert said.code == 0, said.err + said.out
    assert shop.count_on_target("orders") == 2000
    assert "Succeeded" in said.out
    assert "Identical" in said.out


def test_a_database_is_renamed_and_a_table_left_out(shop: Shop, worker: None, migration_command: Command) -> None:
    new = f"{shop.name}_new"
    arguments = (
        *shop.servers,
        "--database",
        f"{shop.name}={new}",
        "--roles",
        "skip",
        "--exclude-table",
        "public.orders",
    )
    said = migration_command("create", "shop", *arguments, "--wait", "--on-object-error", "continue")
    assert shop.count_on_target("customers", database=new) == 500, said.err + said.out
    assert shop.target.psql("SELECT to_regclass('orders') IS NULL", database=new) == "t"


def test_json_output_is_one_value_in_microsofts_shape(shop: Shop, worker: None, migration_command: Command) -> None:
    said = migration_command("create", "shop", *shop.arguments, "--wait", "--output", "json")
    status = json.loads(said.out)["properties"]["currentStatus"]
    assert status["state"] == "Succeeded"
    assert status["currentSubStateDetails"]["dbDetails"][shop.name]["fullLoadCompletedTables"] == 2


def test_validate_moves_nothing(shop: Shop, worker: None, migration_command: Command) -> None:
    said = migration_command("validate", "check", *shop.arguments)
    assert said.code == 0, said.err + said.out
    assert shop.target.psql(f"SELECT count(*) FROM pg_database WHERE datname = '{shop.name}'") == "0"


def test_validation_that_fails_ends_with_3(shop: Shop, worker: None, migration_command: Command) -> None:
    shop.target.create_database(shop.name)
    said = migration_command("validate", "check", *shop.arguments)
    assert said.code == 3, said.err + said.out
    assert "603101" in said.out


def test_a_migration_that_fails_ends_with_1_and_can_be_resumed(
    shop: Shop, worker: None, migration_command: Command
) -> None:
    assert migration_command("create", "shop", *shop.arguments, "--option", "Migrate").code == 0
    shop.source.psql(f'ALTER DATABASE "{shop.name}" RENAME TO "{shop.name}_away"')
    said = migration_command("start", "shop", "--wait")
    shop.source.psql(f'ALTER DATABASE "{shop.name}_away" RENAME TO "{shop.name}"')
    assert said.code == 1, said.err + said.out
    assert migration_command("resume", "shop", "--wait").code == 0
    assert shop.count_on_target("orders") == 2000


def test_verify_shows_the_proof(shop: Shop, worker: None, migration_command: Command) -> None:
    migration_command("create", "shop", *shop.arguments, "--wait")
    said = migration_command("verify", "shop", "--all")
    assert said.code == 0, said.out
    assert "public.orders" in said.out


def test_verify_without_verification_ends_with_4(shop: Shop, worker: None, migration_command: Command) -> None:
    created = migration_command("create", "shop", *shop.arguments, "--verification", "none", "--wait")
    assert created.code == 0, created.err + created.out
    said = migration_command("verify", "shop")
    assert said.code == 4
    assert "switched off" in said.out


def test_a_difference_ends_with_4(make_ended: Migration, migration_command: Command) -> None:
    said = migration_command("verify", make_ended.name)
    assert said.code == 4
    assert "orders" in said.out
    assert migration_command("show", make_ended.name, "--wait").code == 4


@pytest.fixture
def make_ended(transactional_db: None, make_migration: object) -> Migration:
    """A migration that ended with a difference in one table."""
    migration: Migration = make_migration(name="ended", state=State.FAILED, databases=["shop"])  # type: ignore[operator]
    database = MigrationDatabase.objects.get(migration=migration)
    MigrationDatabase.objects.filter(pk=database.pk).update(state=State.FAILED, verified="different")
    VerificationResult.objects.create(
        database=database,
        object_class="table",
        name="public.orders",
        result="different",
        source="2 rows",
        target="1 row",
    )
    return migration


def test_ctrl_c_leaves_the_migration_and_says_how_to_cancel(shop: Shop, migration_command: Command) -> None:
    """Nobody works here, so the migration stays queued for as long as the person waits."""
    threading.Thread(target=_press_ctrl_c_when_queued, daemon=True).start()
    said = migration_command("create", "shop", *shop.arguments, "--wait")
    assert said.code == 130
    assert "migration cancel shop" in said.err
    assert Migration.objects.get().state == State.QUEUED


def _press_ctrl_c_when_queued() -> None:
    try:
        while not Migration.objects.filter(state=State.QUEUED).exists():
            time.sleep(0.05)
    finally:
        connection.close()
    time.sleep(0.7)
    os.kill(os.getpid(), signal.SIGINT)


def test_list_events_and_report(shop: Shop, worker: None, migration_command: Command, tmp_path: object) -> None:
    migration_command("create", "shop", *shop.arguments, "--wait")
    assert "shop" in migration_command("list").out
    assert "No migration is active." in migration_command("list", "--filter", "Active").out
    assert [row["name"] for row in json.loads(migration_command("list", "--output", "json").out)] == ["shop"]
    assert "Queued." in migration_command("events", "shop").out
    assert len(json.loads(migration_command("events", "shop", "--limit", "2", "--output", "json").out)) == 2
    file = f"{tmp_path}/report.json"
    assert migration_command("report", "shop", "--file", file).code == 0
    with open(file, encoding="utf-8") as report:
        text = report.read()
    assert json.loads(text)["migration"]["name"] == "shop"
    assert shop.source.password not in text
