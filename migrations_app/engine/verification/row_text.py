"""The text of a row, the same on every server from version 10 to 18 for the same values.

PostgreSQL prints almost every value alike in all versions once the session's settings are alike. The rest goes
through its binary output function: money (printed by the server's lc_monetary), ``"char"`` (version 16 began to
escape bytes above 127) and, across version 12, everything made of floating-point numbers.

Long values enter the row as a hash of their own: PostgreSQL's quoting of a row's text costs several times more than
hashing it, and a row's text is limited to 1 GB, which a bytea in hex would pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.engine.postgres import sql
from migrations_app.engine.verification.columns import ARRAY, COMPOSITE, DOMAIN, MULTIRANGE, RANGE, Column, ColumnType
from migrations_app.engine.verification.digest_method import DigestMethod, HashFunction, hash_of

FLOAT_TYPES = frozenset({"float4", "float8", "point", "lseg", "path", "box", "polygon", "line", "circle"})
FLOAT_EXTENSION_TYPES = frozenset({"vector", "halfvec", "sparsevec"})
FLOAT_TYPES_WITHOUT_BYTES = frozenset({"cube", "box2d", "box3d"})
ALWAYS_AS_BYTES = frozenset({"money", "char"})


def row_text(columns: Sequence[Column], *, method: DigestMethod) -> sql.Composed:
    """Return the SQL expression of a row's text over these columns, without those that ``unprovable`` names."""
    left_out = set(unprovable(columns, method=method))
    values = [_field(c, method) for c in columns if c.name not in left_out]
    return sql.SQL("ROW({})::text").format(sql.SQL(", ").join(values))


def unprovable(columns: Sequence[Column], *, method: DigestMethod) -> tuple[str, ...]:
    """Return the columns whose values have no form that is the same on both servers."""
    return tuple(c.name for c in columns if not _has_stable_form(c.type, method))


def _has_stable_form(kind: ColumnType, method: DigestMethod) -> bool:
    if method.floats_as_bytes and kind.name in FLOAT_TYPES_WITHOUT_BYTES and not kind.is_builtin:
        return False
    if kind.kind == MULTIRANGE and _has_unstable_text(kind, method):
        return False
    return all(_has_stable_form(member, method) for _, member in kind.members)


def _has_unstable_text(kind: ColumnType, method: DigestMethod) -> bool:
    """Tell whether the type's text differs between servers: it or something inside goes as bytes."""
    return _goes_as_bytes(kind, method) or any(_has_unstable_text(member, method) for _, member in kind.members)


def _goes_as_bytes(kind: ColumnType, method: DigestMethod) -> bool:
    if kind.is_builtin:
        return kind.name in ALWAYS_AS_BYTES or (method.floats_as_bytes and kind.name in FLOAT_TYPES)
    return method.floats_as_bytes and kind.name in FLOAT_EXTENSION_TYPES and kind.kind == "b"


def _field(column: Column, method: DigestMethod) -> sql.Composable:
    """Return what stands for a column in the row: its value, or the hash of a value that may be long."""
    name = sql.Identifier(column.name)
    if column.type.is_builtin and column.type.name == "bytea":
        bytes_hash = "sha256" if method.function is HashFunction.HASHTEXTEXTENDED else "md5"
        return sql.SQL("{}({})").format(sql.Identifier(bytes_hash), name)
    value = _value(name, column.type, method)
    if _base(column.type).may_be_long:
        return hash_of(sql.SQL("({})::text").format(value), method=method)
    return value


def _value(value: sql.Composable, kind: ColumnType, method: DigestMethod) -> sql.Composable:
    """Return the expression to put into the row for ``value``."""
    if _goes_as_bytes(kind, method):
        return _bytes(value, kind)
    if not _has_unstable_text(kind, method):
        return value
    return _EXPANSIONS[kind.kind](value, kind, method)


def _base(kind: ColumnType) -> ColumnType:
    """Return the type under a domain, or the type itself."""
    return _base(kind.inner) if kind.kind == DOMAIN else kind


def _bytes(value: sql.Composable, kind: ColumnType) -> sql.Composable:
    """Return the binary form in hex; not-a-number has one bit pattern after a copy but may have had another before."""
    send = sql.Identifier(*(kind.send or ("pg_catalog", "record_send")))
    hexed = sql.SQL("encode({}({}), 'hex')").format(send, value)
    hexed = sql.SQL("replace({}, 'fff8000000000000', '7ff8000000000000')").format(hexed)
    return sql.SQL("replace({}, 'ffc00000', '7fc00000')").format(hexed)


def _array(value: sql.Composable, kind: ColumnType, method: DigestMethod) -> sql.Composable:
    base = _base(kind.inner)
    if base.is_builtin and _goes_as_bytes(base, method):
        plain = sql.SQL("({}::{}[])").format(value, sql.Identifier(base.schema, base.name))
        return _bytes(plain, ColumnType("pg_catalog", "array", send=("pg_catalog", "array_send")))
    element = _value(sql.SQL("u.e"), kind.inner, method)
    return sql.SQL(
        "CASE WHEN {0} IS NOT NULL THEN (SELECT concat(array_dims({0}), array_agg(ROW({1})::text)::text)"
        " FROM (SELECT unnest({0}) AS e) u) END"
    ).format(value, element)


def _domain(value: sql.Composable, kind: ColumnType, method: DigestMethod) -> sql.Composable:
    base = kind.inner
    cast = sql.SQL("({}::{})").format(value, sql.Identifier(base.schema, base.name))
    return _value(cast, base, method)


def _composite(value: sql.Composable, kind: ColumnType, method: DigestMethod) -> sql.Composable:
    fields = [
        _value(sql.SQL("({}).{}").format(value, sql.Identifier(field)), member, method)
        for field, member in kind.members
    ]
    # num_nulls tells a missing value (1) from a value whose fields are all missing (0).
    return sql.SQL("ROW({})").format(sql.SQL(", ").join([sql.SQL("num_nulls({})").format(value), *fields]))


def _range(value: sql.Composable, kind: ColumnType, method: DigestMethod) -> sql.Composable:
    lower = _value(sql.SQL("lower({})").format(value), kind.inner, method)
    upper = _value(sql.SQL("upper({})").format(value), kind.inner, method)
    return sql.SQL("ROW(isempty({0}), lower_inc({0}), upper_inc({0}), {1}, {2})").format(value, lower, upper)


_EXPANSIONS = {ARRAY: _array, DOMAIN: _domain, COMPOSITE: _composite, RANGE: _range}
