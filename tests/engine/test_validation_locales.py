"""Rules about encodings, locales and collations."""

from __future__ import annotations

import pytest

from migrations_app.engine.findings import Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import Side
from migrations_app.engine.validation.context import see
from migrations_app.engine.validation.locale_names import missing_locales, normalized
from tests.engine.validating import database, of_code, only, serious, validated
from tests.fixtures.servers import RunningServer, ServerPool


@pytest.fixture
def source(servers: ServerPool) -> RunningServer:
    """From npm: built with ICU."""
    return servers.get(16, name="validated-source")


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    """From a wheel: built without ICU."""
    return servers.get(18, name="validated-target")


def test_names_of_locales_are_compared_without_their_spelling() -> None:
    assert normalized("en_US.UTF-8") == normalized("en_US.utf8")


def test_locales_that_exist_and_locales_that_do_not(target: RunningServer) -> None:
    seen = see(Server(target.endpoint(Side.TARGET)))
    missing = missing_locales(seen, ["C", "POSIX", "C.UTF-8", "C.utf8", "xx_YY.UTF-8", "English_United States.1252"])
    assert sorted(missing) == ["English_United States.1252", "xx_YY.UTF-8"]
    assert "could not create locale" in missing["xx_YY.UTF-8"]


def test_a_locale_that_the_target_lacks(source: RunningServer, target: RunningServer) -> None:
    """The source's catalog is edited: no locale exists here that the target would not have too."""
    with source.fresh_database() as name:
        source.psql(f"UPDATE pg_database SET datcollate = 'xx_YY.UTF-8' WHERE datname = '{name}'")
        findings = validated(source, target, name)
        source.psql(f"UPDATE pg_database SET datcollate = 'C' WHERE datname = '{name}'")
        assert only(findings, "603401").level is Level.FAILED
        assert "xx_YY.UTF-8" in only(findings, "603401").saw
        assert serious(validated(source, target, name)) == []


def test_an_icu_database_and_a_target_without_icu(servers: ServerPool, source: RunningServer) -> None:
    without = servers.get(18, name="validated-target")
    with source.connect() as connection:
        connection.execute(
            "CREATE DATABASE icu_db TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C'"
        )
    finding = only(validated(source, without, "icu_db"), "603401")
    source.drop_database("icu_db")
    assert "built without ICU" in finding.saw


def test_collations_that_columns_use(source: RunningServer, target: RunningServer) -> None:
    with source.fresh_database() as name:
        source.psql(
            'CREATE TABLE t (a text COLLATE "de-x-icu", b text COLLATE "C");'
            "CREATE COLLATION own (provider = icu, locale = 'sv-SE'); CREATE COLLATION plain (locale = 'C')",
            database=name,
        )
        findings = validated(source, target, name)
        assert only(findings, "603402").subject == "Collation de-x-icu"
        assert "column a of table" in only(findings, "603402").saw
        assert only(findings, "603403").subject == "Collation public.own"
        assert of_code(validated(source, source.endpoint(Side.TARGET), name), "603402") == []


def test_complaint_31_another_version_of_a_collation(servers: ServerPool) -> None:
    """ICU of the npm server 10 is older than that of 16."""
    source, target = servers.get(10, name="validated-source"), servers.get(16, name="validated-source")
    with source.fresh_database() as name:
        source.psql('CREATE TABLE t (a text COLLATE "de-x-icu")', database=name)
        finding = only(validated(source, target, name), "PM2020")
    assert finding.level is Level.WARNING
    assert finding.subject == "Collation de"


def test_complaint_29_sql_ascii(source: RunningServer, target: RunningServer) -> None:
    source.psql("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    findings = validated(source, target, database("ascii"))
    source.drop_database("ascii")
    assert only(findings, "PM2021").level is Level.INFO
    assert serious(findings) == []
