"""Complaint 22: children are not deleted where foreign keys and triggers come after the apply began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from migrations_app.engine.events import Event, Step, StepFinished
from migrations_app.engine.ports import RequestKind
from migrations_app.engine.replication import follower
from migrations_app.engine.spec import ApplyChoice, OnlineOptions
from tests.engine.following_online import OnlineMove, moving_online
from tests.fixtures.servers import ServerPool

ONLINE = OnlineOptions(cutover_seconds=60, sequence_headroom=0)
PORTAL = replace(ONLINE, apply=ApplyChoice.THROUGH_PORTAL)
SCHEMA = """
CREATE TABLE parents (id int PRIMARY KEY, name text);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE grandchildren (id int PRIMARY KEY, child int REFERENCES children ON DELETE CASCADE);
CREATE TABLE orphans (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE fosters (id int PRIMARY KEY, parent int DEFAULT 1 REFERENCES parents ON DELETE SET DEFAULT ON UPDATE CASCADE);
CREATE TABLE tree (id int PRIMARY KEY, above int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE counted (parent int PRIMARY KEY, many int NOT NULL);
CREATE FUNCTION count_children() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE public.counted SET many = many - 1 WHERE parent = OLD.parent; RETURN OLD; END $$;
INSERT INTO parents SELECT g, 'p' || g FROM generate_series(1, 60) g;
INSERT INTO children SELECT g, g % 60 + 1 FROM generate_series(1, 240) g;
INSERT INTO grandchildren SELECT g, g % 240 + 1 FROM generate_series(1, 480) g;
INSERT INTO orphans SELECT g, g % 60 + 1 FROM generate_series(1, 120) g;
INSERT INTO fosters SELECT g, g % 60 + 1 FROM generate_series(1, 120) g;
INSERT INTO tree SELECT g, NULLIF(g / 2, 0) FROM generate_series(1, 127) g;
INSERT INTO counted SELECT g, 4 FROM generate_series(1, 60) g;
CREATE TRIGGER count_children AFTER DELETE ON children FOR EACH ROW EXECUTE FUNCTION count_children();
"""
TABLES = ("parents", "children", "grandchildren", "orphans", "fosters", "tree", "counted")
DELETES = "DELETE FROM parents WHERE id BETWEEN {} AND {}; DELETE FROM tree WHERE id = {}"


@pytest.mark.parametrize("online", [ONLINE, PORTAL], ids=["server to server", "through the portal"])
def test_complaint_22_on_delete_cascade_takes_the_children_at_every_moment(
    servers: ServerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: OnlineOptions
) -> None:
    """Parents go between the snapshot and the foreign keys, and after them; parent and child in one transaction.

    At the end foreign keys and triggers are there and act on the target.
    """
    monkeypatch.setattr(follower, "SAMPLE_SECONDS", 0.3)
    source, target = servers.get(18), servers.get(18, name="target")
    with moving_online(source, target, tmp_path, schema=SCHEMA, online=online) as move:
        move.on_event = _writing_while_copied(move)
        move.start()
        move.until_caught_up()
        move.on_event = None
        move.write(DELETES.format(31, 40, 5))
        move.write(
            "UPDATE parents SET id = id + 1000 WHERE id BETWEEN 41 AND 45;"
            "BEGIN; INSERT INTO parents VALUES (70, 'new'); INSERT INTO children VALUES (700, 70), (701, 42 + 1000);"
            "INSERT INTO grandchildren VALUES (7000, 700); DELETE FROM parents WHERE id IN (70, 46); COMMIT"
        )
        move.until_same(*TABLES)
        move.ask(RequestKind.CUTOVER)
        assert move.wait().succeeded, move.log.differences
        move.assert_same_dump()
        _cascades_on(move)


def _writing_while_copied(move: OnlineMove) -> Callable[[Event], None]:
    def write(event: Event) -> None:
        if isinstance(event, StepFinished) and event.step in (Step.SCHEMA, Step.COPY):
            first = 11 if event.step is Step.SCHEMA else 21
            move.write(DELETES.format(first, first + 9, first + 1))

    return write


def _cascades_on(move: OnlineMove) -> None:
    (name,) = move.databases
    with move.target.connect(name) as target:
        target.execute("DELETE FROM parents WHERE id = 50")
        assert target.execute("SELECT count(*) FROM children WHERE parent = 50").fetchone() == (0,)
        assert target.execute("SELECT many FROM counted WHERE parent = 50").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            target.execute("INSERT INTO children VALUES (9999, 50)")
