"""The comparison of catalogs: no false difference after an honest dump and restore, and every true one is told."""

from __future__ import annotations

import pytest

from migrations_app.engine.events import CheckResult
from migrations_app.engine.spec import RolePolicy, Selection
from tests.engine.verifying import create_roles, schema_for, twins

SETTINGS = """
ALTER DATABASE {0} SET work_mem = '8MB'; ALTER ROLE v_carol IN DATABASE {0} SET enable_seqscan = off;
COMMENT ON DATABASE {0} IS 'Rich'; GRANT CREATE ON DATABASE {0} TO v_alice; ALTER DATABASE {0} CONNECTION LIMIT 33;
"""


def give_settings(pair):
    pair.source.psql(SETTINGS.format(pair.before))
    pair.target.psql(SETTINGS.format(pair.after))


@pytest.fixture(scope="module")
def rich(servers):
    """Everything that 17 knows, on 17 and 18."""
    source, target = servers.get(17), servers.get(18)
    create_roles(source, target)
    with twins(source, target, schema_for(17)) as pair:
        give_settings(pair)
        yield pair


@pytest.mark.parametrize(
    ("source_major", "target_major"), [(10, 18), (10, 11), (11, 16), (12, 17), (13, 15), (14, 18), (16, 17), (18, 18)]
)
def test_32_a_dump_and_restore_makes_no_false_difference(servers, source_major, target_major):
    source, target = servers.get(source_major), servers.get(target_major, name="target")
    create_roles(source, target)
    with twins(source, target, schema_for(source_major)) as pair:
        give_settings(pair)
        assert pair.verify() is CheckResult.IDENTICAL, pair.differences
        names = {event.name for event in pair.found}
        assert any(name.endswith(" views") for name in names)
        assert any(name.endswith(" columns") for name in names)


# (statement on the target, class, name, words of the source, words of the target)
CHANGES = [
    ("DROP INDEX app.cust_expr", "index", "app.cust_expr", "lower", "none"),
    ("ALTER TABLE app.customers ALTER amt SET DEFAULT 4", "column", "app.customers.amt", "default: (1.5", "default: 4"),
    ("REVOKE SELECT ON app.customers FROM public", "table definition", "app.customers", "(public)=r", '"v Bob-ö"=a*r*'),
    ("REVOKE UPDATE (name) ON app.customers FROM v_carol", "column", "app.customers.name", "v_carol=w", "grants: "),
    ("COMMENT ON COLUMN app.customers.name IS NULL", "column", "app.customers.name", "the name", "none"),
    ("COMMENT ON TABLE app.customers IS 'x'", "table definition", "app.customers", "Kunden", "comment: x"),
    ("ALTER POLICY p1 ON app.customers USING (true)", "policy", "app.customers.p1", "ANY", "using: true"),
    ("ALTER POLICY p1 ON app.customers TO public", "policy", "app.customers.p1", "v_carol", "(public)"),
    ("ALTER TABLE app.customers ENABLE TRIGGER t1", "trigger", "app.customers.t1", "enabled: D", "enabled: O"),
    ("DROP TRIGGER tt ON app.orders", "trigger", "app.orders.tt", "AFTER DELETE", "none"),
    ("ALTER TYPE app.mood ADD VALUE 'more'", "type", "app.mood", "happy", "more"),
    ("ALTER TYPE app.mood RENAME VALUE 'sad' TO 'glum'", "type", "app.mood", "sad", "glum"),
    ("ALTER DOMAIN app.email DROP CONSTRAINT short", "domain constraint", "app.email.short", "90", "none"),
    ("ALTER DOMAIN app.email SET DEFAULT 'z@z'", "domain", "app.email", "x@y", "z@z"),
    ("ALTER TABLE app.big_sto ALTER a TYPE int", "column", "app.big_sto.a", "smallint", "integer"),
    ("ALTER TABLE app.customers ALTER amt SET NOT NULL", "column", "app.customers.amt", "False", "True"),
    ("ALTER TABLE app.customers ALTER name SET STATISTICS 9", "column", "app.customers.name", "500", "9"),
    ("ALTER TABLE app.customers ALTER extra SET STORAGE MAIN", "column", "app.customers.extra", "storage: e", "m"),
    (
        "ALTER TABLE app.customers SET (fillfactor = 71)",
        "table definition",
        "app.customers",
        "fillfactor=70",
        "fillfactor=71",
    ),
    ("ALTER TABLE app.customers OWNER TO v_carol", "table definition", "app.customers", "v_alice", "v_carol"),
    ("ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY", "table definition", "app.orders", "True", "False"),
    ("ALTER TABLE app.orders REPLICA IDENTITY FULL", "table definition", "app.orders", "index ord_ri", "f"),
    ("ALTER TABLE app.unl SET LOGGED", "table definition", "app.unl", "unlogged", "permanent"),
    ("ALTER TABLE app.orders VALIDATE CONSTRAINT nv", "constraint", "app.orders.nv", "False", "True"),
    ("ALTER TABLE app.customers DROP CONSTRAINT name_len", "constraint", "app.customers.name_len", "length", "none"),
    (
        "ALTER TABLE app.orders DROP CONSTRAINT orders_customer_id_fkey;"
        "ALTER TABLE app.orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id)"
        " REFERENCES app.customers DEFERRABLE INITIALLY DEFERRED",
        "constraint",
        "app.orders.orders_customer_id_fkey",
        "ON DELETE CASCADE",
        "REFERENCES app.customers(id) DEFERRABLE",
    ),
    ("ALTER TABLE app.customers SET WITHOUT CLUSTER", "index", "app.cust Uniq", "True", "False"),
    ("ALTER INDEX app.cust_trgm SET (fastupdate = on)", "index", "app.cust_trgm", "fastupdate=off", "on"),
    ("ALTER INDEX app.cust_expr ALTER COLUMN 2 SET STATISTICS 7", "index", "app.cust_expr", "77", "7"),
    ("ALTER TABLE app.unl ENABLE RULE r2", "rule", "app.unl.r2", "D", "O"),
    (
        "CREATE OR REPLACE RULE r2 AS ON DELETE TO app.unl WHERE OLD.x = 9 DO ALSO DELETE FROM app.par",
        "rule",
        "app.unl.r2",
        "1, 2",
        "9",
    ),
    (
        "CREATE OR REPLACE VIEW app.v7 AS SELECT DISTINCT ON (day) day, id FROM app.orders LIMIT 6",
        "view",
        "app.v7",
        "LIMIT 5",
        "LIMIT 6",
    ),
    ("ALTER VIEW app.v3 RESET (security_barrier)", "view", "app.v3", "security_barrier", "none"),
    ("REFRESH MATERIALIZED VIEW app.mv2", "materialized view", "app.mv2", "False", "True"),
    ("DROP VIEW app.v9", "view", "app.v9", "count", "none"),
    ("CREATE VIEW app.extra AS SELECT 1 AS x", "view", "app.extra", "none", "SELECT 1"),
    (
        "ALTER FUNCTION app.add(int, int, varchar) COST 8",
        "function",
        "app.add(a integer, b integer, c character varying)",
        "cost: 7",
        "cost: 8",
    ),
    (
        "ALTER FUNCTION app.add(int, int, varchar) SECURITY DEFINER",
        "function",
        "app.add(a integer, b integer, c character varying)",
        "False",
        "True",
    ),
    (
        "CREATE OR REPLACE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
        "function",
        "app.touch()",
        "RETURN NEW",
        "RETURN OLD",
    ),
    (
        "CREATE OR REPLACE FUNCTION app.sqlbody(a int, b text DEFAULT 'q') RETURNS int LANGUAGE sql RETURN a",
        "function",
        "app.sqlbody(a integer, b text)",
        "length",
        "RETURN a",
    ),
    ("DROP PROCEDURE app.proc(int)", "procedure", "app.proc(integer)", "plpgsql", "none"),
    ("DROP AGGREGATE app.mysum(int)", "aggregate", "app.mysum(integer)", "int4pl", "none"),
    ("DROP CAST (app.pair AS int)", "cast", "app.pair AS integer", "pair2int", "none"),
    ("DROP OPERATOR CLASS app.pops USING btree", "operator class", "app.pops using btree", "app.pair", "none"),
    (
        "ALTER OPERATOR app.=== (app.pair, app.pair) SET (JOIN = NONE)",
        "operator",
        "app.===(app.pair,app.pair)",
        "eqj",
        "-",
    ),
    ("ALTER EXTENSION pg_trgm SET SCHEMA public", "extension", "pg_trgm", "version", "version"),
    ("DROP EXTENSION btree_gist CASCADE", "extension", "btree_gist", "public", "none"),
    ("ALTER SERVER srv OPTIONS (SET host 'other')", "foreign server", "srv", "(hidden)", "(hidden)"),
    (
        "ALTER USER MAPPING FOR v_carol SERVER srv OPTIONS (SET password 'other')",
        "user mapping",
        "v_carol on srv",
        "(hidden)",
        "(hidden)",
    ),
    (
        "ALTER FOREIGN TABLE app.ft OPTIONS (SET table_name 'u')",
        "foreign table",
        "app.ft",
        "table_name=t",
        "table_name=u",
    ),
    ("ALTER EVENT TRIGGER et DISABLE", "event trigger", "et", "R", "D"),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE v_alice IN SCHEMA app REVOKE SELECT ON TABLES FROM v_carol",
        "default privileges",
        "of v_alice in schema app on tables",
        "v_carol=r",
        "none",
    ),
    ("ALTER TEXT SEARCH DICTIONARY app.dict (stopwords)", "text search dictionary", "app.dict", "english", "none"),
    (
        "ALTER TEXT SEARCH CONFIGURATION app.cfg DROP MAPPING FOR email",
        "text search configuration",
        "app.cfg",
        "4: simple",
        "1: ",
    ),
    ("ALTER STATISTICS app.st4 SET STATISTICS 51", "statistics", "app.st4", "50", "51"),
    ("DROP STATISTICS app.st2", "statistics", "app.st2", "dependencies", "none"),
    ("DROP CONVERSION app.conv", "conversion", "app.conv", "LATIN1", "none"),
    ("COMMENT ON SCHEMA app IS 'y'", "schema", "app", "It's the app", "y"),
    ('REVOKE USAGE ON SCHEMA app FROM "v Bob-ö"', "schema", "app", "v Bob-ö=U", "grants: (owner)=CU"),
    ("ALTER SEQUENCE app.sq OWNER TO v_carol", "sequence definition", "app.sq", "v_alice", "v_carol"),
    ("ALTER SEQUENCE app.sq MAXVALUE 98", "sequence", "app.sq", "last value", "last value"),
    ("ALTER TABLE app.events DETACH PARTITION app.events_1", "table definition", "app.events_1", "FROM ('2020", "none"),
    ("ALTER TABLE app.cmp ALTER t SET COMPRESSION DEFAULT", "column", "app.cmp.t", "compression: p", "none"),
    ("ALTER TABLE app.chi NO INHERIT app.par", "table definition", "app.chi", "app.par", "none"),
]


def as_written(sql_text: str) -> str:
    return sql_text[:60]


@pytest.mark.parametrize(
    ("change", "object_class", "name", "source", "target"), CHANGES, ids=[as_written(c[0]) for c in CHANGES]
)
def test_32_every_change_is_told_with_both_texts(rich, change, object_class, name, source, target):
    """Each change is made, seen and (with the database's copy) undone."""
    copy = f"{rich.after}_copy"
    rich.target.psql(f"CREATE DATABASE {copy} TEMPLATE {rich.after}; {SETTINGS.format(copy)}")
    original, rich.after = rich.after, copy
    try:
        rich.on_target(change)
        assert rich.verify() is CheckResult.DIFFERENT
        told = rich.differences[object_class, name]
        assert told.result is CheckResult.DIFFERENT
        assert source.replace('"', "") in told.source
        assert target.replace('"', "") in told.target
    finally:
        rich.after = original
        rich.target.drop_database(copy)


def test_20_a_text_that_the_target_cannot_read_is_not_called_identical(rich):
    """Without the right to create temporary objects nobody can tell whether two texts mean the same."""
    rich.target.psql(
        "DROP ROLE IF EXISTS v_plain; CREATE ROLE v_plain LOGIN PASSWORD 'x'; GRANT pg_read_all_data TO v_plain"
    )
    rich.target.psql(f"REVOKE TEMPORARY ON DATABASE {rich.after} FROM public")
    try:
        result = rich.verify(target_user=("v_plain", "x"))
        assert result is not CheckResult.IDENTICAL
        told = rich.differences["constraint", "app.customers.customers_status_check"]
        assert told.result is CheckResult.COULD_NOT_VERIFY
        assert "permission denied" in told.detail
    finally:
        rich.target.psql(f"GRANT TEMPORARY ON DATABASE {rich.after} TO public")


def test_passwords_of_foreign_servers_are_never_told(rich):
    rich.on_target("ALTER USER MAPPING FOR v_carol SERVER srv OPTIONS (SET password 'another-sekrit')")
    try:
        assert rich.verify() is CheckResult.DIFFERENT
        assert "sekrit" not in str(rich.found)
    finally:
        rich.on_target("ALTER USER MAPPING FOR v_carol SERVER srv OPTIONS (SET password 'sekrit')")


def test_nothing_stays_on_the_target(rich):
    assert rich.verify() is CheckResult.IDENTICAL
    assert rich.target.psql("SELECT count(*) FROM pg_class WHERE relname LIKE 'pgmig%'", database=rich.after) == "0"


def test_only_the_selection_is_compared(rich):
    rich.on_target('ALTER TABLE "Odd ""Schema"."Täble ON x.y" ADD more int; COMMENT ON TABLE app.par IS \'p\'')
    try:
        assert rich.verify() is CheckResult.DIFFERENT
        left_out = Selection(exclude_schemas=('Odd "Schema',), exclude_tables=(("app", "par"),))
        assert rich.verify(selection=left_out) is CheckResult.IDENTICAL, rich.differences
        chosen = Selection(include_tables=(("app", "par"),))
        assert rich.verify(selection=chosen) is CheckResult.DIFFERENT
        assert set(rich.differences) == {("table definition", "app.par")}
    finally:
        rich.on_target('ALTER TABLE "Odd ""Schema"."Täble ON x.y" DROP more; COMMENT ON TABLE app.par IS NULL')


def test_roles_that_were_not_to_be_copied_are_left_out(servers):
    source, target = servers.get(17), servers.get(18)
    source.psql("DROP ROLE IF EXISTS v_only_here; CREATE ROLE v_only_here")
    with twins(source, target, "CREATE TABLE t (a int); CREATE TABLE u (a int)") as pair:
        pair.on_source("ALTER TABLE t OWNER TO v_only_here; GRANT SELECT ON u TO v_only_here")
        assert pair.verify(roles=RolePolicy.SKIP) is CheckResult.IDENTICAL, pair.differences
        assert any("v_only_here" in note for note in pair.log.notes)
        assert pair.verify() is CheckResult.DIFFERENT
        assert set(pair.differences) == {("table definition", "public.t"), ("table definition", "public.u")}
    source.psql("DROP ROLE v_only_here")
