"""Digests of tables: equal for equal rows on every pair of versions, different for every changed value."""

from __future__ import annotations

import pytest

from migrations_app.engine.events import CheckResult
from migrations_app.engine.plan import PartKind, PartPlan
from migrations_app.engine.spec import VerificationLevel
from migrations_app.engine.verification import (
    COUNTS,
    TableDigest,
    choose_method,
    compare_digest,
    empty_digest,
    hash_table,
    read_columns,
    read_traits,
)
from migrations_app.engine.verification.digest_method import DigestMethod, HashFunction, ServerTraits
from tests.engine.verifying import SCHEMA_DIR, twins

VALUES = (SCHEMA_DIR / "values.sql").read_text()
ODD, TYPES = "Odd Näme", 'All "types"'
METHODS = [
    DigestMethod(HashFunction.HASHTEXTEXTENDED),
    DigestMethod(HashFunction.HASHTEXTEXTENDED, floats_as_bytes=True),
    DigestMethod(HashFunction.MD5),
    DigestMethod(HashFunction.MD5_UTF8, floats_as_bytes=True),
]


@pytest.fixture(scope="module")
def values(servers):
    with twins(servers.get(17), servers.get(18), VALUES) as pair:
        yield pair


def digest(connection, table, *, method, schema="public", columns=None, **options):
    columns = columns if columns is not None else read_columns(connection).get((schema, table), ())
    return hash_table(connection, schema=schema, table=table, columns=columns, method=method, **options)


@pytest.mark.parametrize(
    ("source_major", "target_major"), [(10, 11), (10, 18), (11, 14), (12, 17), (14, 18), (16, 17), (18, 18)]
)
def test_20_equal_rows_have_equal_digests_whatever_the_versions(servers, source_major, target_major):
    source, target = servers.get(source_major), servers.get(target_major, name="target")
    with twins(source, target, VALUES) as pair:
        assert pair.verify() is CheckResult.IDENTICAL, pair.differences
        tables = {event.name: event for event in pair.found if event.object_class == "table"}
        assert tables[f"{ODD}.{TYPES}"].source.startswith("51 rows, hash ")
        assert tables[f"{ODD}.par"].source.startswith("2 rows")  # without the rows of its child
        assert tables[f"{ODD}.pt_1"].source.startswith("100 rows")
        assert tables[f"{ODD}.nocols"].source.startswith("2 rows")
        assert f"{ODD}.pt_r" not in tables  # has no rows of its own


@pytest.mark.parametrize("method", METHODS, ids=[method.label for method in METHODS])
def test_20_every_column_is_in_the_digest(values, method):
    """Losing the value of one row changes the digest, whatever the type."""
    with values.connected() as (_, target):
        columns = read_columns(target)[ODD, TYPES]
        before = digest(target, TYPES, schema=ODD, method=method)
        assert before.unprovable_columns == ()
        for column in columns:
            with target.transaction(force_rollback=True):
                target.execute(f'UPDATE "{ODD}"."All ""types""" SET "{column.name}" = NULL WHERE id = 6')
                after = digest(target, TYPES, schema=ODD, method=method)
            assert after.rows == before.rows
            assert after.hash != before.hash, column


CHANGES = [
    "UPDATE {0} SET f8 = f8 + 1e-16 WHERE id = 8",  # the last digit of 0.1
    "UPDATE {0} SET f8 = 0.0 WHERE id = 4",  # minus zero
    "UPDATE {0} SET comp = ROW(NULL, NULL, NULL)::{1}.pt WHERE id = 4",  # a row of nulls is not a null
    "UPDATE {0} SET comp.x = (comp).x + 1e-15 WHERE id = 2",
    "UPDATE {0} SET f8a[1] = f8a[1] + 1e-15 WHERE id = 2",
    "UPDATE {0} SET f8a = '{{}}' WHERE id = 5",
    "UPDATE {0} SET fr = {1}.frange(lower(fr), upper(fr), '[]') WHERE id = 2",
    "UPDATE {0} SET n = n * 1.0 WHERE id = 1",  # equal as a number, not as stored
    "UPDATE {0} SET c10 = 'ab2' WHERE id = 1",
    "UPDATE {0} SET bp = bp::text || '  ' WHERE id = 1",
    "UPDATE {0} SET bpd = 'y   ' WHERE id = 1",
    "UPDATE {0} SET cu.a = 7 WHERE id = 1",  # the type's own cast to text does not show it
    "UPDATE {0} SET t = t || ' ' WHERE id = 1",
    'UPDATE {0} SET j = \'{{"b": 1.10, "a":[1,2]}}\' WHERE id = 1',
    "UPDATE {0} AS x SET t = y.t FROM {0} AS y WHERE x.id IN (1, 2) AND y.id = 3 - x.id",  # two rows swap a value
    "UPDATE {0} SET vc = t, t = vc WHERE id = 1",  # two columns swap their values
    "INSERT INTO {0} SELECT * FROM {0} WHERE id = 1; DELETE FROM {0} WHERE id = 2",
]


@pytest.mark.parametrize("method", METHODS, ids=[method.label for method in METHODS])
@pytest.mark.parametrize("change", CHANGES)
def test_20_small_changes_are_seen(values, method, change):
    with values.connected() as (_, target):
        before = digest(target, TYPES, schema=ODD, method=method)
        with target.transaction(force_rollback=True):
            target.execute(change.format(f'"{ODD}"."All ""types"""', f'"{ODD}"'))
            assert digest(target, TYPES, schema=ODD, method=method).hash != before.hash


def test_the_order_of_rows_does_not_matter(values):
    with values.connected() as (_, target):
        for method in METHODS:
            before = digest(target, "pt_2", schema=ODD, method=method)
            with target.transaction(force_rollback=True):
                target.execute(f'CREATE TABLE public.sorted AS SELECT * FROM "{ODD}".pt_2 ORDER BY v')
                assert digest(target, "sorted", method=method) == before


@pytest.mark.parametrize("method", [*METHODS, COUNTS], ids=lambda method: method.label)
def test_parts_add_up(values, method):
    with values.connected() as (source, _):
        whole = digest(source, "pt_2", schema=ODD, method=method)
        for kind, bounds in ((PartKind.CTID, (None, 1, 3, None)), (PartKind.KEY, (None, 200, 500, None))):
            total = empty_digest(read_columns(source)[ODD, "pt_2"], method=method)
            for number, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False)):
                part = PartPlan(number, kind, low, high, key_column="k")
                total += digest(source, "pt_2", schema=ODD, method=method, part=part)
            assert total == whole


def test_digests_of_different_methods_do_not_add_up_and_do_not_compare():
    one, other = TableDigest(1, "0" * 16, "md5"), TableDigest(1, "0" * 16, "hashtextextended")
    with pytest.raises(ValueError, match="different methods"):
        _ = one + other
    assert compare_digest(source=one, target=other)[0] is CheckResult.COULD_NOT_VERIFY


def test_columns_without_a_common_form_are_never_called_identical():
    one = TableDigest(1, "0" * 16, "md5", unprovable_columns=("where_it_is",))
    result, detail = compare_digest(source=one, target=one)
    assert result is CheckResult.COULD_NOT_VERIFY
    assert "where_it_is" in detail


def test_a_type_that_has_no_common_form_is_named(servers):
    """Extensions' types of floating-point numbers without a binary form cannot be compared across version 12."""
    with twins(
        servers.get(11), servers.get(14), "CREATE EXTENSION cube; CREATE TABLE t AS SELECT 1 AS a, cube(0.1) AS c"
    ) as pair:
        assert pair.verify() is CheckResult.COULD_NOT_VERIFY
        assert "columns not compared: c" in pair.differences["table", "public.t"].detail


def test_counts_only(values):
    values.on_target(f"UPDATE \"{ODD}\".par SET s = 'changed' WHERE a = 1")
    try:
        assert values.verify(level=VerificationLevel.COUNTS) is CheckResult.IDENTICAL, values.differences
        assert values.verify() is CheckResult.DIFFERENT
    finally:
        values.on_target(f"UPDATE \"{ODD}\".par SET s = 'p' WHERE a = 1")


def test_an_extensions_filter_may_begin_with_where(values):
    with values.connected() as (source, _):
        for condition in ("WHERE k < 150", "k < 150", "where (k::text !~ '%') AND k < 150"):
            assert digest(source, "pt_2", schema=ODD, method=COUNTS, condition=condition).rows == 50


def test_29_different_encodings_are_compared_by_character(servers):
    script = "CREATE TABLE t AS SELECT i, 'naïve übung ' || i AS s, 'é'::name AS n FROM generate_series(1, 300) i"
    with twins(servers.get(17), servers.get(18), script, encodings=("LATIN1", "UTF8")) as pair:
        pair.verify()
        tables = {event.name: event.result for event in pair.found if event.object_class == "table"}
        assert tables == {"public.t": CheckResult.IDENTICAL}
        assert set(pair.differences) == {("database", "this database")}  # its encoding is another
        pair.on_target("UPDATE t SET s = 'naive übung 7' WHERE i = 7")
        pair.verify()
        assert "(7," in pair.differences["table", "public.t"].detail


def test_29_bytes_of_sql_ascii_are_compared_as_they_are(servers):
    script = "SET client_encoding = 'SQL_ASCII'; CREATE TABLE t (s text); INSERT INTO t VALUES (E'\\xe9'), ('plain')"
    with twins(servers.get(17), servers.get(18), script, encodings=("SQL_ASCII", "SQL_ASCII")) as pair:
        assert pair.verify() is CheckResult.IDENTICAL, pair.differences
        pair.on_target("SET client_encoding = 'SQL_ASCII'; UPDATE t SET s = E'\\xe8' WHERE s <> 'plain'")
        assert pair.verify() is CheckResult.DIFFERENT


@pytest.mark.parametrize(
    ("source", "target", "function", "floats_as_bytes"),
    [
        (ServerTraits(14, "UTF8", 5), ServerTraits(18, "UTF8", 5), HashFunction.HASHTEXTEXTENDED, False),
        (ServerTraits(10, "UTF8", None), ServerTraits(18, "UTF8", 5), HashFunction.MD5, True),
        (ServerTraits(11, "UTF8", 5), ServerTraits(18, "UTF8", 5), HashFunction.HASHTEXTEXTENDED, True),
        (ServerTraits(14, "UTF8", 9), ServerTraits(18, "UTF8", 5), HashFunction.MD5, False),  # another byte order
        (ServerTraits(14, "LATIN1", 5), ServerTraits(18, "UTF8", 5), HashFunction.MD5_UTF8, False),
    ],
)
def test_the_method_fits_both_servers(source, target, function, floats_as_bytes):
    assert choose_method(source=source, target=target) == DigestMethod(function, floats_as_bytes)


@pytest.mark.slow
def test_values_that_no_text_can_hold_are_hashed(servers):
    """In hex the value would pass the limit of a text; it is hashed on its own."""
    with (
        twins(servers.get(17), servers.get(18), "CREATE TABLE t (id int, b bytea)") as pair,
        pair.connected() as (one, _),
    ):
        method = choose_method(source=read_traits(one), target=read_traits(one))
        pair.on_source(
            "INSERT INTO t VALUES (1, decode(repeat('ab', 500000000), 'hex') || decode(repeat('cd', 100000000), 'hex'))"
        )
        assert digest(one, "t", method=method).rows == 1
