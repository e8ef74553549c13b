"""What the decoder reads, what remains of a stretch of changes, and how rows are written, without a server."""

from __future__ import annotations

import struct

import pytest

from migrations_app.engine.postgres.apply_session import (
    PIPELINE_BYTES,
    PIPELINE_STATEMENTS,
    SmallStatement,
    _chunks,
)
from migrations_app.engine.replication import copy_text
from migrations_app.engine.replication.coalesce import ImageChanges, KeyedChanges, OrderedChanges, OutOfOrder, sections
from migrations_app.engine.replication.pgoutput import (
    DELETE,
    INSERT,
    PARTIAL_UPDATE,
    UNCHANGED,
    UPDATE,
    Change,
    Decoder,
    MalformedMessage,
    Relation,
    unpacked,
)
from migrations_app.engine.replication.subscriber_table import Column, Matching, SubscriberTable

TABLE = Relation(7, "public", "t", "d", ("id", "v"), (0,))
COLUMNS = tuple(Column(name, "text", 25, False, False, True) for name in TABLE.columns)
KEYED = SubscriberTable(TABLE, "r", COLUMNS, Matching.KEY, (0,), (("pg_catalog", "="),))


def described(identity: bytes = b"d") -> bytes:
    columns = b"".join(
        bytes([flag]) + name + b"\0" + struct.pack(">Ii", 25, -1) for flag, name in ((1, b"id"), (0, b"v"))
    )
    return struct.pack(">I", 7) + b"public\0t\0" + identity + struct.pack(">H", 2) + columns


def row(*values: bytes | None) -> bytes:
    parts = [b"n" if value is None else b"t" + struct.pack(">I", len(value)) + value for value in values]
    return struct.pack(">H", len(values)) + b"".join(parts)


def decoded(body: bytes, kind: int, identity: bytes = b"d") -> Change:
    decoder = Decoder("utf-8")
    decoder.relation(described(identity), 0)
    into: list[object] = []
    decoder.change(struct.pack(">I", 7) + body, 0, kind, into)
    (change,) = unpacked(into)
    return change


def test_rows_are_read() -> None:
    assert decoded(b"N" + row(b"1", None), INSERT)[2:] == (None, (b"1", None))
    assert decoded(b"K" + row(b"1", None), DELETE)[2:] == ((b"1", None), None)
    assert decoded(b"N" + row(b"1", b""), UPDATE)[2:] == (None, (b"1", b""))
    assert decoded(b"K" + row(b"1", None) + b"N" + row(b"2", b"x"), UPDATE)[2:] == ((b"1", None), (b"2", b"x"))


def test_unchanged_values_are_marked_or_known() -> None:
    unchanged = struct.pack(">H", 2) + b"t" + struct.pack(">I", 1) + b"1" + b"u"
    kind, _, _, new = decoded(b"N" + unchanged, UPDATE)
    assert (kind, new) == (PARTIAL_UPDATE, (b"1", UNCHANGED))
    kind, _, _, new = decoded(b"O" + row(b"1", b"long") + b"N" + unchanged, UPDATE, b"f")
    assert (kind, new) == (UPDATE, (b"1", b"long"))


def test_a_key_that_was_not_sent_is_told() -> None:
    unsent = struct.pack(">H", 2) + b"u" + b"n"
    with pytest.raises(MalformedMessage, match="key column id"):
        decoded(b"N" + unsent, UPDATE)


@pytest.mark.parametrize("body", [b"N" + row(b"1", b"x") + b"!", b"N" + row(b"1", b"x")[:-1], b"N" + row(b"1")[:-3]])
def test_a_message_that_was_cut_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decoded(body, INSERT)


def net(*changes: tuple[int, object, object]) -> list[object]:
    (section,) = sections(((kind, TABLE, old, new) for kind, old, new in changes), lambda _: KEYED)
    assert isinstance(section, list)
    return list(section[0].segments)


def test_the_net_effect_of_a_row() -> None:
    one, two, gone = (b"1", b"a"), (b"1", b"b"), (b"1", None)
    assert net((INSERT, None, one), (UPDATE, None, two)) == [KeyedChanges(inserts={b"1": two})]
    assert net((INSERT, None, one), (DELETE, gone, None)) == [KeyedChanges()]
    assert net((UPDATE, None, one), (UPDATE, None, two)) == [KeyedChanges(updates={b"1": two})]
    assert net((UPDATE, None, one), (DELETE, gone, None)) == [KeyedChanges(deletes={b"1": gone})]
    assert net((DELETE, gone, None), (INSERT, None, two)) == [KeyedChanges(deletes={b"1": gone}, inserts={b"1": two})]
    assert net((UPDATE, None, one), (PARTIAL_UPDATE, None, (b"1", UNCHANGED))) == [KeyedChanges(updates={b"1": one})]


def test_a_row_that_comes_or_goes_twice_is_left_to_the_order_of_the_source() -> None:
    gone = (b"1", None)
    for changes in (
        ((INSERT, None, gone),) * 2,
        ((DELETE, gone, None),) * 2,
        ((DELETE, gone, None), (UPDATE, None, gone)),
    ):
        with pytest.raises(OutOfOrder):
            net(*changes)


def test_a_moved_key_keeps_its_place_and_calm_returns() -> None:
    moved = (UPDATE, (b"1", None), (b"2", b"x"))
    later = [(INSERT, None, (b"%d" % n, b"v")) for n in range(10, 80)]
    first, second, third = net((INSERT, None, (b"1", b"x")), moved, *later)
    assert isinstance(first, KeyedChanges) and isinstance(third, KeyedChanges)
    assert isinstance(second, OrderedChanges) and len(second.changes) // 4 + len(third.inserts) == 71


def test_rows_without_a_key_that_are_equal_are_the_same() -> None:
    a, b, c = (b"a", None), (b"b", None), (b"c", None)
    images = ImageChanges()
    for before, after in ((a, b), (a, b), (b, c), (None, c), (c, None), (c, None), (b, None)):
        images.add(before, after)
    assert sorted(images.deletes) == [a, a]
    assert (images.updates, images.inserts) == ([], [])


def test_copy_text_escapes_what_it_must() -> None:
    plain = [(b"1", None), (b"2", b"x")]
    assert b"".join(copy_text.blocks(plain)) == b"1\t\\N\n2\tx\n"
    nasty = [(b"1", b"a\tb\nc\\d\r"), (None, b"\\N")]
    assert b"".join(copy_text.blocks(nasty)) == b"1\ta\\tb\\nc\\\\d\\r\n\\N\t\\\\N\n"


def test_complaint_6_statements_go_out_in_pipelines_that_are_bounded_by_bytes() -> None:
    """planetscale/pgcopydb PR #51: a backlog in libpq's buffers made the apply quadratic."""
    values = [b"x" * 1_000] * 3_000 + [b"y" * 5_000_000] + [b"z"] * 3_000
    statements = [SmallStatement(b"SELECT $1", (25,), [value]) for value in values]
    pipelines = [[each.values[0] or b"" for each in chunk] for chunk in _chunks(statements)]
    assert [value for pipeline in pipelines for value in pipeline] == values
    assert max(map(len, pipelines)) <= PIPELINE_STATEMENTS + 1
    assert max(sum(map(len, pipeline[:-1])) for pipeline in pipelines) <= PIPELINE_BYTES
