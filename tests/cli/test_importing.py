"""Files in the Azure CLI's format: what is taken, and what is answered with a remedy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from migrations_app.engine.spec import MigrationMode, MigrationOption, RolePolicy
from migrations_app.services.importing import ImportedMigration, InvalidMigrationFile, migration_from_azure_json

SECRET = "swordfish-and-a-half"
FILE: dict[str, Any] = {
    "properties": {
        "sourceDbServerResourceId": "10.0.0.5:5433@admin",
        "secretParameters": {
            "adminCredentials": {"sourceServerPassword": SECRET, "targetServerPassword": "other"},
            "sourceServerUserName": "admin",
            "targetServerUserName": "azureadmin",
        },
        "dbsToMigrate": ["db1", "db2"],
        "overwriteDbsInTarget": "true",
        "targetDbServerFullyQualifiedDomainName": "target.postgres.database.azure.com",
        "sourceType": "AWS_RDS",
        "sslMode": "VerifyFull",
    }
}


def imported(**properties: Any) -> ImportedMigration:
    return migration_from_azure_json(json.dumps({"properties": FILE["properties"] | properties}))


def refused(text: str | bytes) -> InvalidMigrationFile:
    with pytest.raises(InvalidMigrationFile) as caught:
        migration_from_azure_json(text)
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


def test_a_file_of_the_azure_cli_is_taken_as_it_is() -> None:
    migration = imported()
    assert (migration.source.host, migration.source.port, migration.source.user) == ("10.0.0.5", 5433, "admin")
    assert (migration.source.password, migration.target.password) == (SECRET, "other")
    assert (migration.target.host, migration.target.user) == ("target.postgres.database.azure.com", "azureadmin")
    assert migration.databases == ("db1", "db2")
    assert migration.overwrite is True
    assert (migration.source_type, migration.sslmode) == ("AWS_RDS", "verify-full")
    assert migration.notes == ()


def test_capitals_in_keys_make_no_difference() -> None:
    text = json.dumps(FILE).replace("dbsToMigrate", "DBSTOMIGRATE").replace("adminCredentials", "AdminCREDENTIALS")
    migration = migration_from_azure_json(text.replace('"properties"', '"Properties"'))
    assert migration.databases == ("db1", "db2")
    assert migration.source.password == SECRET


@pytest.mark.parametrize(("written", "meant"), [("True", True), ("false", False), (True, True), (False, False)])
def test_booleans_may_be_texts(written: object, meant: bool) -> None:
    assert imported(overwriteDbsInTarget=written).overwrite is meant


def test_more_than_eight_databases_are_taken() -> None:
    names = [f"db{number}" for number in range(40)]
    assert len(imported(dbsToMigrate=names).databases) == 40


@pytest.mark.parametrize(
    ("written", "host", "port", "user"),
    [
        ("db.example.com:5432@admin", "db.example.com", 5432, "admin"),
        ("db.example.com@admin", "db.example.com", None, "admin"),
        ("db.example.com", "db.example.com", None, None),
        ("[2001:db8::1]:6432@admin", "2001:db8::1", 6432, "admin"),
        ("single:5432@admin@single", "single", 5432, "admin@single"),
    ],
)
def test_the_source_is_written_as_host_port_and_user(
    written: str, host: str, port: int | None, user: str | None
) -> None:
    source = imported(sourceDbServerResourceId=written, secretParameters={}).source
    assert (source.host, source.port, source.user) == (host, port, user)


def test_an_azure_resource_needs_its_domain_name() -> None:
    resource = "/subscriptions/1/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/servers/s"
    with pytest.raises(InvalidMigrationFile, match="cannot look up"):
        imported(sourceDbServerResourceId=resource)
    named = imported(sourceDbServerResourceId=resource, sourceDbServerFullyQualifiedDomainName="s.example.com")
    assert named.source.host == "s.example.com"


def test_malformed_json_is_answered_with_line_and_column() -> None:
    error = refused('{\n  "properties": {\n    "dbsToMigrate": ["db1",]\n  }\n}')
    assert "line 3, column 28" in error.message
    assert "comma" in error.hint


@pytest.mark.parametrize(
    "text", ["", "   ", "[]", "3", "null", '{"props": {}}', "{}", b"\xff\xfe{}", '{"properties": 1}']
)
def test_what_is_no_migration_file_is_refused_in_words(text: str | bytes) -> None:
    assert refused(text).message.endswith(".")


def test_an_unknown_key_is_named_with_what_it_may_have_meant() -> None:
    with pytest.raises(InvalidMigrationFile) as caught:
        imported(overwriteDbsInTraget="false", colour="red")
    assert '"overwriteDbsInTraget" (is it overwriteDbsInTarget?)' in caught.value.message
    assert '"colour"' in caught.value.message


def test_one_key_twice_is_refused() -> None:
    error = refused('{"properties": {"sslMode": "Prefer", "sslmode": "VerifyFull"}}')
    assert "sslmode" in error.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sourceType", "Oracle"),
        ("sslMode", "maybe"),
        ("overwriteDbsInTarget", "yes please"),
        ("dbsToMigrate", "db1"),
        ("dbsToMigrate", ["db1", "db1"]),
        ("dbsToMigrate", [1]),
        ("migrationMode", "Sideways"),
        ("migrationWindowStartTimeInUtc", "tomorrow"),
        ("secretParameters", "none"),
        ("sourceDbServerResourceId", "host:port@user"),
        ("sourceDbServerResourceId", "host:99999@user"),
        ("targetDbServerFullyQualifiedDomainName", 5),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_key(key: str, value: object) -> None:
    with pytest.raises(InvalidMigrationFile) as caught:
        imported(**{key: value})
    assert key in f"{caught.value.message}{caught.value.hint}"


def test_a_url_with_a_password_is_refused_without_being_quoted() -> None:
    text = json.dumps({"properties": {"sourceDbServerResourceId": f"postgresql://admin:{SECRET}@host/db"}})
    assert "host:port@user" in refused(text).hint


def test_an_error_in_a_line_with_a_password_does_not_show_it() -> None:
    refused(f'{{"properties": {{"secretParameters": {{"adminCredentials": {{"sourceServerPassword": "{SECRET}" x')


def test_the_passwords_are_not_in_the_value_as_printed() -> None:
    assert SECRET not in repr(imported())


def test_keys_without_effect_here_are_said() -> None:
    migration = imported(
        migrationRuntimeResourceId="/subscriptions/x", setupLogicalReplicationOnSourceDbIfNeeded="false"
    )
    assert len(migration.notes) == 1
    assert migration.notes[0].startswith("migrationRuntimeResourceId has no effect")


def test_what_only_the_rest_api_knows_is_taken_too() -> None:
    migration = imported(
        migrationMode="offline",
        migrationOption="validateandmigrate",
        migrateRoles="False",
        migrationWindowStartTimeInUtc="2030-01-01T22:00:00Z",
    )
    assert (migration.mode, migration.option) == (MigrationMode.OFFLINE, MigrationOption.VALIDATE_AND_MIGRATE)
    assert migration.roles is RolePolicy.SKIP
    assert migration.scheduled_at == datetime(2030, 1, 1, 22, tzinfo=UTC)


def test_microsofts_own_misspelling_of_on_premises_is_taken() -> None:
    assert imported(sourceType="on-premises").source_type == "OnPremises"


def test_a_byte_order_mark_is_no_error() -> None:
    assert migration_from_azure_json(b"\xef\xbb\xbf" + json.dumps(FILE).encode()).databases == ("db1", "db2")
