"""Rows behind policies: the fix that is told can be run by the provider's administrator, and shows every row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import Side
from tests.engine.validating import fires, is_silent, validated
from tests.fixtures.providers import PROFILES, PlayedServer, play
from tests.fixtures.servers import ServerPool

MANAGED = [profile for profile in PROFILES if profile != "self"]
KEEPER = "keeper"  # the owner of the application's tables, a role that the administrator made
TABLE = f"""
CREATE SCHEMA hidden AUTHORIZATION {KEEPER};
GRANT USAGE ON SCHEMA hidden TO PUBLIC;
SET ROLE {KEEPER};
CREATE TABLE hidden.t (id int PRIMARY KEY);
INSERT INTO hidden.t SELECT generate_series(1, 7);
ALTER TABLE hidden.t ENABLE ROW LEVEL SECURITY;
"""


@pytest.fixture(params=[(profile, major) for profile in PROFILES for major in (15, 18)], ids=str)
def source(request: pytest.FixtureRequest, servers: ServerPool) -> Iterator[PlayedServer]:
    played = play(servers, *request.param, name="matrix")
    played.as_admin(f"CREATE ROLE {KEEPER}")
    yield played
    played.superuser(f"DROP ROLE {KEEPER}; ALTER ROLE {played.profile.admin} INHERIT NOBYPASSRLS")


def check(source: PlayedServer, servers: ServerPool, name: str) -> list[Finding]:
    target = play(servers, "self", 18, name="matrix")
    return validated(source.admin(Side.SOURCE), target.admin(Side.TARGET), name)


def read_all(source: PlayedServer, name: str) -> int:
    """Read as the migration does: what policies concern would be refused."""
    with Server(source.admin(Side.SOURCE, database=name)).connected(name, purpose="test") as connection:
        row = connection.execute("SELECT count(*) FROM hidden.t").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("forced", [False, True])
def test_rows_behind_policies(source: PlayedServer, servers: ServerPool, forced: bool) -> None:
    admin, managed = source.profile.admin, source.profile.key != "OnPremises"
    with source.fresh_database() as name:
        source.superuser(TABLE + f"GRANT SELECT ON hidden.t TO {admin}", database=name)
        if forced:
            source.superuser("ALTER TABLE hidden.t FORCE ROW LEVEL SECURITY", database=name)
            source.superuser(f"CREATE POLICY mine ON hidden.t TO {admin} USING (true)", database=name)
        finding = fires(check(source, servers, name), "PM2001")
        assert (finding.level, finding.subject) == (Level.FAILED, "Table hidden.t")
        assert ("BYPASSRLS" in finding.fix_sql) is not managed
        assert ("set it on both servers" in finding.fix) is (forced and managed)
        if managed:
            source.as_admin(finding.fix_sql, database=name)
        else:
            source.superuser(finding.fix_sql, database=name)
        assert is_silent(check(source, servers, name), "PM2001")
        assert read_all(source, name) == 7


def test_an_administrator_that_does_not_inherit(servers: ServerPool) -> None:
    source = play(servers, "rds", 15, name="matrix")
    source.superuser(f"CREATE ROLE {KEEPER}; ALTER ROLE {source.profile.admin} NOINHERIT")
    with source.fresh_database() as name:
        source.superuser(TABLE + f"GRANT SELECT ON hidden.t TO {source.profile.admin}", database=name)
        finding = fires(check(source, servers, name), "PM2001")
        source.as_admin(finding.fix_sql, database=name)
        assert is_silent(check(source, servers, name), "PM2001")
    source.superuser(f"DROP ROLE {KEEPER}; ALTER ROLE {source.profile.admin} INHERIT")
