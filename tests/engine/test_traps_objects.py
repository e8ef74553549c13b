"""Traps of single objects: names in old encodings, event triggers, grants of others, large objects, settings of all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrations_app.engine.errors import EngineError
from tests.engine.moving import Move, assert_same_dump

LATIN1 = "TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'"


class MoveThroughLatin1(Move):
    """A migration whose login databases are called latin1_login, on both servers."""

    @property
    def spec(self):
        spec = super().spec
        source, target = (replace(side, database="latin1_login") for side in (spec.source, spec.target))
        return replace(spec, source=source, target=target)


def test_a_latin1_database_with_names_comments_and_defaults_beyond_ascii(pair, tmp_path):
    """psycopg reads json as UTF-8 whatever the session speaks; the names of a dump are in the dump's encoding."""
    source, target = pair
    source.psql(f"DROP DATABASE IF EXISTS latin1_names; CREATE DATABASE latin1_names {LATIN1}")
    source.psql(
        "SET client_encoding = 'UTF8';"
        'CREATE TABLE "größe" ("maß" int PRIMARY KEY, "wörter" text DEFAULT \'übel\');'
        'CREATE TABLE bad (a int REFERENCES "größe"); CREATE INDEX "übel" ON bad (a);'
        "INSERT INTO \"größe\" VALUES (1, 'süß'); COMMENT ON TABLE bad IS 'Größe'; COMMENT ON INDEX \"übel\" IS 'schön';"
        "SELECT lo_create(4711); COMMENT ON LARGE OBJECT 4711 IS 'größer'",
        database="latin1_names",
    )
    move = Move(source, target, ["latin1_names"], tmp_path)
    move.must_succeed()
    assert_same_dump(move)
    assert "\\udc" not in ascii(move.log.events)
    for server in pair:
        server.drop_database("latin1_names")


def test_owners_named_in_latin1_arrive_through_login_databases_in_latin1(servers, tmp_path):
    """And through a login database in UTF8 the name cannot be read: that is said, with what to do."""
    with servers.fresh(17) as source, servers.fresh(18) as target:
        for server in (source, target):
            server.psql(f"CREATE DATABASE latin1_login {LATIN1}")
        source.psql(f"CREATE DATABASE latin1_owner {LATIN1}")
        source.psql(
            'SET client_encoding = \'UTF8\'; CREATE ROLE "müller"; CREATE TABLE t (a int); ALTER TABLE t OWNER TO "müller";'
            'CREATE TABLE u (a int); GRANT SELECT ON u TO "müller"; ALTER DATABASE latin1_owner OWNER TO "müller"',
            database="latin1_owner",
        )
        move = MoveThroughLatin1(source, target, ["latin1_owner"], tmp_path)
        move.must_succeed()
        assert not [finding for finding in move.log.findings if finding.code != "PM2006"]
        owner = "SET client_encoding = 'UTF8'; SELECT tableowner FROM pg_tables WHERE tablename = 't'"
        assert target.psql(owner, database="latin1_owner").strip() == "müller"
        with pytest.raises(EngineError) as told:
            Move(source, target, ["latin1_owner"], tmp_path / "other").run()
    assert "no text in UTF8" in told.value.message
    assert "login database of that encoding" in told.value.hint
    assert r"m\xfcller" in told.value.server_message
