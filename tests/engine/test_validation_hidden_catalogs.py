"""A provider that hides the catalog of subscriptions: what can be known of them without it is told."""

from __future__ import annotations

from migrations_app.engine.spec import Side
from tests.engine.validating import database, is_silent, only, validated
from tests.fixtures.providers import play
from tests.fixtures.servers import ServerPool

SUBSCRIBED = """
CREATE TABLE t (id int PRIMARY KEY);
SET client_min_messages = error;
CREATE SUBSCRIPTION incoming CONNECTION 'dbname=elsewhere' PUBLICATION p WITH (connect = false);
INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)
    SELECT oid, 't'::regclass, 'r' FROM pg_subscription WHERE subname = 'incoming';
"""
DROPPED = "ALTER SUBSCRIPTION incoming SET (slot_name = NONE); DROP SUBSCRIPTION incoming"


def test_a_subscription_is_found_by_its_tables(servers: ServerPool) -> None:
    source, target = play(servers, "azure", 18, name="matrix-target"), servers.get(18)
    with source.fresh_database() as name:
        source.superuser(SUBSCRIBED, database=name)
        try:
            assert source.as_admin("SELECT has_column_privilege('pg_subscription', 'subname', 'SELECT')") == "f"
            findings = validated(source.admin(Side.SOURCE), target, database(name))
            assert "incoming" in only(findings, "PM2031").saw
        finally:
            source.superuser(DROPPED, database=name)
        assert is_silent(validated(source.admin(Side.SOURCE), target, database(name)), "PM2031")
