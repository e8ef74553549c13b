"""A subscription takes values in binary form where both servers mean the same by them, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from migrations_app.engine.replication.server_to_server import ServerToServer
from tests.engine.applying import Followed, followed
from tests.fixtures.servers import ServerPool

PLAIN = """
CREATE TABLE plain (
    id bigint PRIMARY KEY, amount numeric(20, 5), at timestamptz, part float8, tags text[], body jsonb, raw bytea);
"""
ROWS = """
INSERT INTO plain SELECT n, n / 7.0, timestamptz '2024-02-29 12:00:00.000001+00' + n * interval '1 day', n / 3.0,
    ARRAY['a,b', NULL, '"'||chr(123)], jsonb_build_object('ä', n), decode(md5(n::text), 'hex') FROM generate_series({}) n
"""
OTHER = "CREATE TYPE mood AS ENUM ('calm'); ALTER TABLE plain ADD COLUMN mood mood; "
IS_BINARY = "SELECT subbinary FROM pg_subscription WHERE subname = %s"


@contextmanager
def subscribed(made: Followed) -> Iterator[ServerToServer]:
    engine = ServerToServer(made.link, control=made.control)
    made.engine = engine  # type: ignore[assignment]
    engine.start()
    try:
        yield engine
    finally:
        engine.pause()
        engine.remove()


def is_binary(made: Followed) -> bool:
    row = made.on_target.execute(IS_BINARY, (made.link.name,)).fetchone()
    return row == (True,)


def test_built_in_types_travel_in_binary_form_until_another_one_comes(servers: ServerPool) -> None:
    source, target = servers.get(17), servers.get(18, name="target")
    with followed(source, target, PLAIN, start=False) as made, subscribed(made) as engine:
        assert is_binary(made)
        made.write(ROWS.format("1, 50"), "UPDATE plain SET amount = 'NaN', at = 'infinity' WHERE id = 3")
        made.catch_up()
        made.assert_same("plain")
        engine.pause()
        made.write(OTHER)
        made.on_target.execute(OTHER)
        engine.start()
        assert not is_binary(made)
        made.write(ROWS.format("51, 60"), "UPDATE plain SET mood = 'calm' WHERE id > 40")
        made.catch_up()
        made.assert_same("plain")


@pytest.mark.parametrize("column", ["money", "regclass", "xml", "int8range"])
def test_a_type_that_may_mean_something_else_there_travels_as_text(servers: ServerPool, column: str) -> None:
    schema = f"CREATE TABLE plain (id int PRIMARY KEY, other {column});"
    with followed(servers.get(17), servers.get(18, name="target"), schema, start=False) as made, subscribed(made):
        assert not is_binary(made)


def test_types_that_differ_travel_as_text(servers: ServerPool) -> None:
    schema, wider = (f"CREATE TABLE plain (id int PRIMARY KEY, n {each});" for each in ("int4", "int8"))
    source, target = servers.get(17), servers.get(18, name="target")
    with followed(source, target, schema, target_schema=wider, start=False) as made, subscribed(made):
        assert not is_binary(made)
        made.write("INSERT INTO plain VALUES (1, 7)")
        made.catch_up()
        assert made.on_target.execute("SELECT n FROM plain").fetchall() == [(7,)]
