"""Rules about what a restricted source user may read, and about what was left out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.spec import Endpoint, Selection, Side
from tests.engine.validating import Role, database, drop_role, fires, new_role, of_code, only, serious, validated
from tests.fixtures.servers import RunningServer, ServerPool

SCHEMA = """
CREATE SCHEMA app; CREATE SCHEMA "My Schema";
CREATE TABLE app.one (id serial PRIMARY KEY, note text);
CREATE TABLE app.two (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW app.mat AS SELECT * FROM app.two;
CREATE TABLE "My Schema"."My Table" (id int);
SELECT lo_create(0) FROM generate_series(1, 3);
"""


@pytest.fixture(params=[10, 14, 17, 18])
def source(request: pytest.FixtureRequest, servers: ServerPool) -> RunningServer:
    return servers.get(request.param, name="validated-source")


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    return servers.get(18, name="validated-target")


@pytest.fixture
def name(source: RunningServer) -> Iterator[str]:
    with source.fresh_database() as created:
        source.psql(SCHEMA, database=created)
        yield created


@pytest.fixture
def reader(source: RunningServer, name: str) -> Iterator[Role]:
    role = new_role(source)
    yield role
    source.psql(f"DROP OWNED BY {role.name}", database=name)
    drop_role(source, role)


def _as(reader: Role, source: RunningServer) -> Endpoint:
    return reader.endpoint(source, Side.SOURCE)


def _run(findings: list[Finding], source: RunningServer, name: str) -> None:
    for finding in findings:
        source.psql(finding.fix_sql, database=name)


def test_a_user_without_rights_gets_scripts_that_help(
    source: RunningServer, target: RunningServer, name: str, reader: Role
) -> None:
    findings = of_code(validated(_as(reader, source), target, name), "603110")
    fires(findings, "603110")
    assert {finding.subject for finding in findings} == {
        "Schema app",
        "Schema My Schema",
        "2 tables of schema app",
        "1 materialized view of schema app",
        "1 sequence of schema app",
        "1 table of schema My Schema",
    }
    assert {finding.level for finding in findings} == {Level.FAILED}
    _run(findings, source, name)
    assert not of_code(validated(_as(reader, source), target, name), "603110")


def test_a_script_names_single_tables_when_only_some_are_hidden(
    source: RunningServer, target: RunningServer, name: str, reader: Role
) -> None:
    source.psql(f"GRANT USAGE ON SCHEMA app TO {reader.name}; GRANT SELECT ON app.one TO {reader.name}", database=name)
    findings = validated(_as(reader, source), target, database(name, selection=Selection(include_schemas=("app",))))
    tables = [finding for finding in of_code(findings, "603110") if "table of" in finding.subject]
    assert tables[0].fix_sql == f'GRANT SELECT ON TABLE "app"."two" TO "{reader.name}";'


def test_what_is_left_out_needs_no_rights(
    source: RunningServer, target: RunningServer, name: str, reader: Role
) -> None:
    nothing = Selection(exclude_schemas=("app", "My Schema"))
    assert not of_code(validated(_as(reader, source), target, database(name, selection=nothing)), "603110")


def test_large_objects_of_others(source: RunningServer, target: RunningServer, name: str, reader: Role) -> None:
    finding = only(validated(_as(reader, source), target, name), "PM2002")
    assert finding.subject == "3 large objects"
    assert f"may read 0 of 3; the others belong to {source.superuser}" in finding.saw
    source.psql(
        f"DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP "
        f"EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO {reader.name}', o); END LOOP; END $$",
        database=name,
    )
    assert not of_code(validated(_as(reader, source), target, name), "PM2002")


def test_complaint_18_row_level_security_hides_rows(
    source: RunningServer, target: RunningServer, name: str, reader: Role
) -> None:
    owner = new_role(source)
    source.psql(
        f"ALTER TABLE app.one ENABLE ROW LEVEL SECURITY; ALTER TABLE app.one OWNER TO {owner.name};"
        f"GRANT SELECT ON app.one TO {reader.name}",
        database=name,
    )
    finding = only(validated(_as(reader, source), target, name), "PM2001")
    assert (finding.level, finding.subject) == (Level.FAILED, "Table app.one")
    assert finding.fix_sql == f'ALTER ROLE "{reader.name}" BYPASSRLS;'
    source.psql(f"GRANT {owner.name} TO {reader.name}")
    assert not of_code(validated(_as(reader, source), target, name), "PM2001")
    source.psql("ALTER TABLE app.one FORCE ROW LEVEL SECURITY", database=name)
    assert only(validated(_as(reader, source), target, name), "PM2001")
    source.psql(finding.fix_sql)
    assert not of_code(validated(_as(reader, source), target, name), "PM2001")
    assert not of_code(validated(source, target, name), "PM2001")
    source.psql(f"REASSIGN OWNED BY {owner.name} TO {source.superuser}; DROP ROLE {owner.name}", database=name)


def test_a_database_that_the_user_may_not_connect_to(
    source: RunningServer, target: RunningServer, name: str, reader: Role
) -> None:
    source.psql(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    finding = only(validated(_as(reader, source), target, name), "PM1020")
    source.psql(finding.fix_sql)
    assert not of_code(validated(_as(reader, source), target, name), "PM1020")


RELATED = """
CREATE SCHEMA lib;
CREATE TYPE lib.colour AS ENUM ('red'); CREATE SEQUENCE lib.numbers;
CREATE FUNCTION lib.check_it(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
CREATE FUNCTION lib.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE app.child (id int REFERENCES app.two, c lib.colour, n int DEFAULT nextval('lib.numbers'),
    CHECK (lib.check_it(id)));
CREATE TRIGGER t BEFORE INSERT ON app.child FOR EACH ROW EXECUTE PROCEDURE lib.touch();
CREATE VIEW app.shown AS SELECT * FROM app.two;
CREATE TABLE app.parent (id int); CREATE TABLE app.heir () INHERITS (app.parent);
CREATE TABLE app.whole (id int) PARTITION BY RANGE (id);
CREATE TABLE app.piece PARTITION OF app.whole FOR VALUES FROM (1) TO (9);
"""


def test_complaint_14_excluded_tables_that_others_need(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql(RELATED, database=name)
    left_out = Selection(exclude_tables=(("app", "two"), ("app", "parent"), ("app", "whole")))
    findings = validated(source, target, database(name, selection=left_out))
    fires(findings, "PM2004")
    warnings = {finding.subject: finding.saw for finding in of_code(findings, "PM2004")}
    assert warnings.pop("Table app.child").startswith("Its foreign key child_id_fkey refers to app.two")
    assert warnings.pop("View app.shown").startswith("The view reads from app.two")
    assert warnings.pop("View app.mat").startswith("The view reads from app.two")
    assert warnings.pop("Table app.piece").startswith("It is a partition of app.whole")
    assert not warnings
    assert only(findings, "PM2005").subject == "Table app.heir"


def test_complaint_14_an_excluded_schema_that_tables_need(
    source: RunningServer, target: RunningServer, name: str
) -> None:
    source.psql(RELATED, database=name)
    findings = validated(source, target, database(name, selection=Selection(exclude_schemas=("lib",))))
    needs = {finding.saw.split(", which")[0] for finding in of_code(findings, "PM2005")}
    assert needs == {
        "It uses the type lib.colour",
        "It uses the function lib.check_it",
        "It uses the function lib.touch",
        "A default of it takes numbers from the sequence lib.numbers",
    }


def test_complaint_14_an_excluded_partition_keeps_its_rows(
    source: RunningServer, target: RunningServer, name: str
) -> None:
    source.psql(RELATED, database=name)
    selection = Selection(exclude_tables=(("app", "piece"), ("app", "heir")))
    findings = validated(source, target, database(name, selection=selection))
    assert {finding.subject for finding in of_code(findings, "PM2004")} == {"Table app.whole", "Table app.parent"}


def test_a_complete_selection_has_no_such_finding(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql(RELATED, database=name)
    assert serious(validated(source, target, name)) == []
    assert serious(validated(source, target, database(name, selection=Selection(include_schemas=("app", "lib"))))) == []
