"""Schemas that are the provider's own are never copied: what is in them is no finding, what needs them is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationMode, MigrationSpec, Selection, Side
from migrations_app.engine.validation import validate
from tests.engine.validating import Recorder, is_silent, of_code, only
from tests.engine.validating import database as database_spec
from tests.fixtures.providers import PlayedServer, play
from tests.fixtures.servers import ServerPool

SUPABASE = """
SELECT count(*) = 0 AS fresh FROM pg_roles WHERE rolname = 'supabase_admin' \\gset
\\if :fresh
CREATE ROLE supabase_admin SUPERUSER;
CREATE ROLE supabase_auth_admin;
CREATE ROLE authenticator;
\\endif
"""
# Everything here would be a finding in a schema of people's own.
OWN = """
CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
GRANT USAGE ON SCHEMA auth TO dba;
CREATE UNLOGGED TABLE auth.hooks (x int);
CREATE TABLE auth.users (id smallserial PRIMARY KEY, email text);
INSERT INTO auth.users VALUES (32000, 'a@example.org');
SELECT setval('auth.users_id_seq', 32000);
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
CREATE TABLE auth.no_key (x json, at regclass);
ALTER TABLE auth.no_key ADD CONSTRAINT positive CHECK (x IS NOT NULL) NOT VALID;
CREATE MATERIALIZED VIEW auth.counted AS SELECT count(*) FROM auth.users;
CREATE FUNCTION auth.uid() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION auth.in_c(internal) RETURNS internal LANGUAGE c AS '$libdir/dict_snowball', 'dsnowball_init';
CREATE COLLATION auth.own (provider = icu, locale = 'de');
CREATE OPERATOR FAMILY auth.odd USING btree;
CREATE FUNCTION auth.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION auth.watch();
"""
# Findings about servers and users, and of the online mode, that have nothing to do with schemas.
OF_SERVERS = {"PM1010", "PM1082", "PM1090", "PM3060", "603104", "PM1062", "PM1063", "PM3061"}


@pytest.fixture
def source(servers: ServerPool) -> PlayedServer:
    played = play(servers, "self", 15, name="supabase")
    played.superuser(SUPABASE)
    return played


@pytest.fixture
def target(servers: ServerPool) -> PlayedServer:
    return play(servers, "self", 18, name="matrix")


@pytest.fixture
def name(source: PlayedServer) -> Iterator[str]:
    with source.fresh_database() as created:
        source.superuser(OWN, database=created)
        source.as_admin("CREATE TABLE public.mine (id int PRIMARY KEY, owner smallint)", database=created)
        yield created


def check(source: PlayedServer, target: PlayedServer, name: str, **options: Any) -> list[Finding]:
    """Validate for an online migration, as both administrators."""
    endpoints = source.admin(Side.SOURCE), target.admin(Side.TARGET)
    databases = (database_spec(name, **options),)
    spec = MigrationSpec("4b1e", "test", *endpoints, databases, mode=MigrationMode.ONLINE)
    return validate(spec, *(Server(endpoint) for endpoint in endpoints), Recorder())


def test_what_is_in_the_providers_schemas_is_no_finding(source: PlayedServer, target: PlayedServer, name: str) -> None:
    found = check(source, target, name)
    assert sorted({finding.code for finding in found} - OF_SERVERS) == []


def test_a_schema_of_the_provider_that_was_chosen_is_left_out_too(
    source: PlayedServer, target: PlayedServer, name: str
) -> None:
    chosen = Selection(include_schemas=("public", "auth"))
    assert is_silent(check(source, target, name, selection=chosen), "PM2042", "PM2001", "PM3020")


def test_the_same_schema_of_people_is_found(source: PlayedServer, target: PlayedServer, name: str) -> None:
    """The silence above is that of the schema's name."""
    source.superuser("ALTER SCHEMA auth RENAME TO logins", database=name)
    codes = {finding.code for finding in check(source, target, name)}
    assert {"603110", "PM2001", "PM2035", "PM2042", "PM2052", "PM3020", "603413"} <= codes


def test_what_needs_the_providers_schemas_is_found(source: PlayedServer, target: PlayedServer, name: str) -> None:
    """It cannot be created on the target, where the schema will not be."""
    needing = (
        "ALTER TABLE mine ADD FOREIGN KEY (owner) REFERENCES auth.users;"
        "ALTER TABLE mine ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON mine USING (owner = auth.uid())"
    )
    source.superuser(needing, database=name)
    findings = of_code(check(source, target, name), "PM2004")
    assert {(finding.subject, finding.level) for finding in findings} == {("Table public.mine", Level.WARNING)}
    assert {finding.saw for finding in findings} == {
        "Its foreign key mine_owner_fkey refers to auth.users, which is Supabase's own and is never copied.",
        "A policy of it calls the function auth.uid, which is Supabase's own and is never copied.",
    }
    assert "Create the schema auth" in findings[0].fix
    source.superuser("ALTER TABLE mine ALTER owner SET DEFAULT auth.uid()", database=name)
    assert only(check(source, target, name), "PM2005").level is Level.FAILED
    undone = "ALTER TABLE mine DROP CONSTRAINT mine_owner_fkey, ALTER owner DROP DEFAULT; DROP POLICY own ON mine"
    source.superuser(undone, database=name)
    assert is_silent(check(source, target, name), "PM2004", "PM2005")
