"""What is wrong with a server is found, with the right code and level, and the fix that is told turns it green."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.spec import Endpoint, Side
from portal.local_postgres.tls import Authority
from tests.engine.validating import database as database_spec
from tests.engine.validating import of_code, only, validated
from tests.fixtures.providers import PROFILES, PlayedServer, conditions, play
from tests.fixtures.providers.played import ALLOWED_EXTENSIONS
from tests.fixtures.servers import ServerPool

MAJORS = (15, 18)
every_source = pytest.mark.parametrize(("profile", "major"), [(p, major) for p in PROFILES for major in MAJORS])


@dataclass(frozen=True)
class Condition:
    """Something wrong in a source database: what breaks it, and the code and level of the finding it gets.

    ``cure`` is what the fix says in words, where it is not SQL.
    """

    break_it: Callable[[PlayedServer, str], None]
    code: str
    level: Level = Level.FAILED
    cure: str = ""


CONDITIONS = {
    "table of another role": Condition(conditions.table_of_another_role, "603110"),
    "row security": Condition(conditions.row_security_table, "PM2001"),
    "large object of another role": Condition(conditions.large_object_of_another_role, "PM2002"),
    "unlogged table": Condition(
        conditions.unlogged_table, "PM2042", Level.INFO, cure="ALTER TABLE public.unlogged SET LOGGED"
    ),
}


def flexible(servers: ServerPool) -> PlayedServer:
    """The target of the matrix."""
    return play(servers, "azure", 18, name="matrix-target")


def check(source: PlayedServer | Endpoint, target: PlayedServer | Endpoint, name: str) -> list[Finding]:
    """Validate as both administrators."""
    before = source.admin(Side.SOURCE) if isinstance(source, PlayedServer) else source
    after = target.admin(Side.TARGET) if isinstance(target, PlayedServer) else target
    return validated(before, after, name)


@every_source
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_of_a_source_database(servers: ServerPool, profile: str, major: int, condition: str) -> None:
    source, target, case = play(servers, profile, major, name="matrix"), flexible(servers), CONDITIONS[condition]
    with source.fresh_database() as name:
        assert not of_code(check(source, target, name), case.code)
        case.break_it(source, name)
        findings = of_code(check(source, target, name), case.code)
        assert findings and {finding.level for finding in findings} == {case.level}
        try:
            for finding in findings:
                source.superuser(case.cure or finding.fix_sql, database=name)
            assert not of_code(check(source, target, name), case.code)
        finally:
            source.superuser(f"ALTER ROLE {source.profile.admin} NOBYPASSRLS")
            if case.code in ("PM2001", "PM2002"):
                source.superuser(f"REVOKE {conditions.STRANGER} FROM {source.profile.admin}")


@every_source
def test_an_extension_that_is_missing_from_the_allow_list(servers: ServerPool, profile: str, major: int) -> None:
    source, target = play(servers, profile, major, name="matrix"), flexible(servers)
    with source.fresh_database() as name:
        conditions.extension_beyond_the_allow_list(source, name)
        (finding,) = of_code(check(source, target, name), "603108")
        assert finding.level is Level.FAILED and "CITEXT" in finding.fix and "azure.extensions" in finding.fix
        with conditions.changed_settings(target, **{"azure.extensions": f"{ALLOWED_EXTENSIONS},CITEXT"}):
            assert not of_code(check(source, target, name), "603108")


@every_source
def test_a_server_without_tls(servers: ServerPool, profile: str, major: int) -> None:
    source, target = play(servers, profile, major, name="matrix"), flexible(servers)
    with conditions.tls_off(source):
        (finding,) = of_code(check(source, target, "postgres"), "603001")
        assert finding.level is Level.FAILED and "TLS" in finding.saw
    assert not of_code(check(source, target, "postgres"), "603001")


@every_source
def test_a_wrong_ca(servers: ServerPool, profile: str, major: int) -> None:
    source, target = play(servers, profile, major, name="matrix"), flexible(servers)
    wrong = Authority(servers.directory / f"wrong-{profile}-{major}", name="Somebody else's authority")
    endpoint = replace(source.admin(Side.SOURCE), ca_file=str(wrong.ca_file))
    (finding,) = of_code(check(endpoint, target, "postgres"), "603001")
    assert finding.level is Level.FAILED and "authority" in finding.saw.lower() + finding.fix.lower()
    with conditions.certificate_of_a_stranger(servers, source):
        assert of_code(check(source, target, "postgres"), "603001")
    assert not of_code(check(source, target, "postgres"), "603001")


@pytest.mark.parametrize(
    ("profile", "own"),
    [("rds", "rdsadmin"), ("aurora", "rdsadmin"), ("cloudsql", "cloudsqladmin"), ("azure", "azure_sys")],
)
@pytest.mark.parametrize("major", MAJORS)
def test_a_database_of_the_provider_is_no_target(servers: ServerPool, profile: str, own: str, major: int) -> None:
    source, target = play(servers, "self", 15, name="matrix"), play(servers, profile, major, name="matrix")
    with source.fresh_database() as name:
        before, after = source.admin(Side.SOURCE), target.admin(Side.TARGET)
        finding = only(validated(before, after, database_spec(name, own)), "PM1022")
        assert finding.level is Level.FAILED and own in finding.saw
        assert not of_code(validated(before, after, database_spec(name, "another_name")), "PM1022")


@pytest.mark.parametrize("major", MAJORS)
def test_a_reader_is_told_from_a_writer(servers: ServerPool, major: int) -> None:
    writer, target = play(servers, "aurora", major, name="matrix"), flexible(servers)
    with conditions.reader_of(servers, writer) as reader:
        (finding,) = of_code(check(reader, target, "postgres"), "PM1007")
        assert finding.level is Level.INFO
        assert of_code(validated(writer.admin(), reader.admin(Side.TARGET), "postgres"), "PM1006")
    assert not of_code(check(writer, target, "postgres"), "PM1007")


@pytest.mark.parametrize(("profile", "major"), [(p, major) for p in PROFILES if p != "azure" for major in MAJORS])
def test_a_role_with_a_name_of_the_targets_provider(servers: ServerPool, profile: str, major: int) -> None:
    source, target = play(servers, profile, major, name="matrix"), flexible(servers)
    with source.fresh_database() as name:
        conditions.azure_role_in_a_grant(source, name)
        try:
            finding = only(check(source, target, name), "PM1046")
            assert (finding.level, finding.subject) == (Level.WARNING, "Role azure_pg_admin")
            source.superuser(finding.fix_sql, database=name)
            assert not of_code(check(source, target, name), "PM1046")
        finally:
            source.superuser("DROP OWNED BY azure_pg_admin", database=name)
            source.superuser("DROP ROLE azure_pg_admin")
