"""``migration create``: what it takes, what it refuses and that it leaves nothing behind then."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from migrations_app.models import Migration, MigrationEndpoint, SavedConnection, State
from migrations_app.services.credentials import open_password, seal_password
from tests.cli.conftest import Command, Shop

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_draft_is_created_from_arguments(shop: Shop, migration_command: Command) -> None:
    said = migration_command(
        *("create", "shop", *shop.servers, "--database", f"{shop.name}={shop.name}_new"),
        *("--exclude-table", "public.orders", "--include-schema", "public", "--jobs", "2", "--split-size", "64MB"),
        *("--verification", "counts", "--on-object-error", "stop", "--roles", "skip", "--source-type", "AWS_RDS"),
        *("--at-warnings", "wait"),
    )
    assert (said.code, said.out) == (0, "")
    migration = Migration.objects.get(name="shop")
    assert migration.state == State.DRAFT
    assert (migration.jobs, migration.split_bytes, migration.verification) == (2, 64 * 1024**2, "counts")
    assert (migration.on_object_error, migration.roles, migration.source_type) == ("stop", "skip", "AWS_RDS")
    assert migration.at_warnings == "wait"
    database = migration.databases.get()
    assert (database.source_name, database.target_name) == (shop.name, f"{shop.name}_new")
    assert database.selection == {"exclude_tables": [["public", "orders"]], "include_schemas": ["public"]}
    assert database.facts["size_bytes"] > 0
    assert migration.source.tested_at is not None
    assert open_password(migration.source) == shop.source.password


def test_the_person_at_the_terminal_is_in_the_event_log(shop: Shop, migration_command: Command) -> None:
    migration_command("create", "shop", *shop.arguments)
    said = migration_command("events", "shop")
    assert "Created on the command line by " in said.out


def test_a_name_is_made_up_if_none_is_given(shop: Shop, migration_command: Command) -> None:
    assert migration_command("create", *shop.arguments).code == 0
    assert Migration.objects.get().name.startswith("migration-")


def test_a_draft_is_created_from_an_azure_file(
    shop: Shop, migration_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORTAL_SOURCE_PASSWORD")
    monkeypatch.delenv("PORTAL_TARGET_PASSWORD")
    shop.target.create_database(shop.name)
    file = tmp_path / "migration.json"
    properties = {
        "sourceDbServerResourceId": f"127.0.0.1:{shop.source.port}@{shop.source.superuser}",
        "secretParameters": {
            "adminCredentials": {
                "sourceServerPassword": shop.source.password,
                "targetServerPassword": shop.target.password,
            },
            "targetServerUserName": shop.target.superuser,
        },
        "dbsToMigrate": [shop.name],
        "overwriteDbsInTarget": "true",
        "sslMode": "Prefer",
        "migrationRuntimeResourceId": "/subscriptions/1",
    }
    file.write_text(json.dumps({"properties": properties}))
    said = migration_command("create", "azure", "-b", str(file), "--target", f"127.0.0.1:{shop.target.port}")
    assert said.code == 0, said.err
    assert "migrationRuntimeResourceId has no effect" in said.err
    database = Migration.objects.get(name="azure").databases.get()
    assert (database.source_name, database.overwrite) == (shop.name, True)


def test_an_argument_overrides_the_file(shop: Shop, migration_command: Command, tmp_path: Path) -> None:
    file = tmp_path / "migration.json"
    file.write_text('{"properties": {"dbsToMigrate": ["other"], "migrateRoles": true, "sourceType": "AWS_RDS"}}')
    said = migration_command("create", "shop", "-b", str(file), *shop.arguments, "--source-type", "Heroku_PostgreSQL")
    assert said.code == 0, said.err
    migration = Migration.objects.get(name="shop")
    assert migration.databases.get().source_name == shop.name
    assert (migration.roles, migration.source_type) == ("skip", "Heroku_PostgreSQL")


def test_a_saved_connection_brings_its_password(
    shop: Shop, migration_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = SavedConnection(name="db1", host="127.0.0.1", port=shop.source.port, username=shop.source.superuser)
    seal_password(saved, shop.source.password)
    saved.save()
    monkeypatch.delenv("PORTAL_SOURCE_PASSWORD")
    said = migration_command("create", "shop", "--source-saved", "db1", *shop.servers[2:], "--database", shop.name)
    assert said.code == 0, said.err
    assert Migration.objects.get().source.saved_connection == saved


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--database", "nowhere"), "The source has no database nowhere."),
        (("--source-saved", "unknown"), "There is no saved connection 'unknown'."),
        (("--overwrite", "other"), "--overwrite names other"),
        (("--source", "127.0.0.1:1"), "the connection was refused"),
        (("--source", "/var/run/postgresql@portal"), "/var/run/postgresql is not one host on the network."),
    ],
)
def test_bad_input_is_refused_and_nothing_is_left(
    shop: Shop, migration_command: Command, arguments: tuple[str, ...], words: str
) -> None:
    said = migration_command("create", "shop", *shop.arguments, *arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert not Migration.objects.exists()
    assert not MigrationEndpoint.objects.exists()


def test_a_wrong_password_is_said_with_a_remedy(
    shop: Shop, migration_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTAL_TARGET_PASSWORD", "not-the-password")
    said = migration_command("create", "shop", *shop.arguments)
    assert said.code == 2
    assert "refused the login" in said.err
    assert "Type the password again" in said.err
    assert "not-the-password" not in said.err


def test_a_missing_password_is_asked_for_or_named(
    shop: Shop, migration_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORTAL_SOURCE_PASSWORD")
    said = migration_command("create", "shop", *shop.arguments)
    assert said.code == 2
    assert "PORTAL_SOURCE_PASSWORD" in said.err


def test_a_taken_name_is_refused(shop: Shop, migration_command: Command) -> None:
    migration_command("create", "shop", *shop.arguments)
    said = migration_command("create", "shop", *shop.arguments)
    assert said.code == 2
    assert "There is already a migration named shop." in said.err


def test_an_existing_database_needs_consent_by_name(shop: Shop, migration_command: Command) -> None:
    shop.target.create_database(shop.name)
    refused = migration_command("create", "shop", *shop.arguments)
    assert refused.code == 2
    assert f"--overwrite {shop.name}" in refused.err
    assert migration_command("create", "shop", *shop.arguments, "--overwrite", shop.name).code == 0


def test_a_database_is_not_copied_onto_itself(
    shop: Shop, migration_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTAL_TARGET_PASSWORD", shop.source.password)
    same = ("--target", shop.servers[1])
    said = migration_command("create", "shop", *shop.arguments, *same)
    assert said.code == 2
    assert "copied onto itself" in said.err


def test_malformed_json_is_answered_with_line_column_and_remedy(migration_command: Command, tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text('{\n  "properties": {,}\n}')
    said = migration_command("create", "shop", "-b", str(file))
    assert said.code == 2
    assert "line 2, column 18" in said.err
    assert "double quotes" in said.err


def test_online_can_be_kept_and_started(shop: Shop, migration_command: Command) -> None:
    assert migration_command("create", "shop", *shop.arguments, "--mode", "Online").code == 0
    said = migration_command("start", "shop")
    assert said.code == 0
    assert "It is queued" in said.err


@pytest.mark.parametrize("source_type", ["Heroku_PostgreSQL", "PostgreSQLCosmosDB"])
def test_online_is_refused_for_a_source_that_has_no_replication(
    shop: Shop, migration_command: Command, source_type: str
) -> None:
    arguments = ("create", "shop", *shop.arguments, "--mode", "Online", "--source-type", source_type)
    said = migration_command(*arguments)
    assert said.code == 2
    assert "cannot be migrated online" in said.err
    assert "Choose the mode Offline." in said.err
    assert not Migration.objects.exists()
    assert not MigrationEndpoint.objects.exists()


def test_a_scheduled_migration_is_queued_for_its_time(shop: Shop, migration_command: Command) -> None:
    said = migration_command("create", "shop", *shop.arguments, "--schedule", "2099-01-01T03:00Z")
    assert said.code == 0, said.err
    migration = Migration.objects.get()
    assert (migration.state, migration.substate) == (State.QUEUED, "WaitingForDataMigrationWindow")
    assert migration_command("cancel", "shop").code == 0
    migration.refresh_from_db()
    assert migration.state == State.CANCELED


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "x", "--jobs", "0"),
        ("create", "x", "--split-size", "much"),
        ("create", "x", "--schedule", "2001-01-01"),
        ("create", "x", "--database", "a=b=c"),
        ("create", "x", "--include-table", "no_schema"),
        ("create", "x", "--properties", "/nonexistent.json"),
        ("create", "x", "--source-password", "secret"),
        ("show", "nothing"),
        ("nonsense",),
        (),
    ],
)
def test_arguments_that_make_no_sense_end_with_exit_code_2(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "manage.py", "migration", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
