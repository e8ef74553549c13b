"""Rules about roles and settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrations_app.engine.findings import Level
from migrations_app.engine.spec import RolePolicy, Side
from tests.engine.validating import Role, drop_role, new_role, of_code, only, validated
from tests.fixtures.servers import RunningServer, ServerPool


@pytest.fixture
def source(servers: ServerPool) -> RunningServer:
    return servers.get(14, name="validated-source")


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    return servers.get(18, name="validated-target")


@pytest.fixture
def name(source: RunningServer) -> Iterator[str]:
    with source.fresh_database() as created:
        yield created


@pytest.fixture
def target_admin(target: RunningServer) -> Iterator[Role]:
    """A user as managed services give it: may create databases and roles, is no superuser."""
    role = new_role(target, "CREATEDB CREATEROLE")
    yield role
    drop_role(target, role)


@pytest.fixture
def role(source: RunningServer) -> Iterator[Role]:
    created = new_role(source, "SUPERUSER REPLICATION BYPASSRLS")
    yield created
    drop_role(source, created)


def test_attributes_that_the_target_user_may_not_give(
    source: RunningServer, target: RunningServer, name: str, role: Role, target_admin: Role
) -> None:
    endpoint = target_admin.endpoint(target, Side.TARGET)
    finding = only(validated(source, endpoint, name), "PM1040")
    assert finding.fix_sql == f'ALTER ROLE "{role.name}" SUPERUSER REPLICATION BYPASSRLS;'
    assert not of_code(validated(source, target, name), "PM1040")
    assert not of_code(validated(source, endpoint, name, roles=RolePolicy.SKIP), "PM1040")
    target.psql(f"ALTER ROLE {target_admin.name} REPLICATION BYPASSRLS")
    assert only(validated(source, endpoint, name), "PM1040").fix_sql == f'ALTER ROLE "{role.name}" SUPERUSER;'


def test_passwords_that_cannot_be_read(source: RunningServer, target: RunningServer, name: str, role: Role) -> None:
    reader = new_role(source)
    finding = only(validated(reader.endpoint(source, Side.SOURCE), target, name), "PM1041")
    assert finding.level is Level.INFO
    assert role.name in finding.saw
    without = validated(reader.endpoint(source, Side.SOURCE), target, name, roles=RolePolicy.COPY_WITHOUT_PASSWORDS)
    assert not of_code(without, "PM1041")
    assert not of_code(validated(source, target, name), "PM1041")
    drop_role(source, reader)


def test_a_role_with_other_attributes_on_the_target(
    source: RunningServer, target: RunningServer, name: str, role: Role
) -> None:
    target.psql(f"CREATE ROLE {role.name} NOLOGIN CREATEDB")
    finding = only(validated(source, target, name), "PM1042")
    assert "NOLOGIN" in finding.saw
    target.psql(finding.fix_sql)
    assert not of_code(validated(source, target, name), "PM1042")
    target.psql(f"DROP ROLE {role.name}")


def test_owners_that_will_be_missing(source: RunningServer, target: RunningServer, name: str, role: Role) -> None:
    source.psql(f"CREATE TABLE t (id int); ALTER TABLE t OWNER TO {role.name}", database=name)
    finding = only(validated(source, target, name, roles=RolePolicy.SKIP), "PM1043")
    assert finding.fix_sql == f'CREATE ROLE "{role.name}";'
    assert not of_code(validated(source, target, name), "PM1043")
    source.psql("DROP TABLE t", database=name)


def test_an_owner_that_the_target_user_may_not_act_for(
    source: RunningServer, target: RunningServer, name: str, role: Role, target_admin: Role
) -> None:
    source.psql(f"CREATE TABLE t (id int); ALTER TABLE t OWNER TO {role.name}", database=name)
    target.psql(f"CREATE ROLE {role.name}")
    endpoint = target_admin.endpoint(target, Side.TARGET)
    finding = only(validated(source, endpoint, name), "PM1044")
    assert finding.fix_sql == f'GRANT "{role.name}" TO "{target_admin.name}";'
    target.psql(finding.fix_sql)
    assert not of_code(validated(source, endpoint, name), "PM1044")
    target.psql(f"DROP ROLE {role.name}")
    source.psql("DROP TABLE t", database=name)


def test_settings_that_the_target_refuses(
    source: RunningServer, target: RunningServer, name: str, role: Role, target_admin: Role
) -> None:
    source.psql(
        f"ALTER DATABASE {name} SET force_parallel_mode = on; ALTER DATABASE {name} SET work_mem = '8MB';"
        f"ALTER ROLE {role.name} SET log_statement = 'all'; ALTER ROLE {role.name} SET app.tenant = '7'"
    )
    gone = only(validated(source, target, name), "PM1050")
    assert gone.subject == f"Database {name}: force_parallel_mode"
    assert "no such setting" in gone.saw
    findings = of_code(validated(source, target_admin.endpoint(target, Side.TARGET), name), "PM1050")
    assert {finding.subject.split(": ")[1] for finding in findings} == {"force_parallel_mode", "log_statement"}
