"""What verification does not find identical, resume copies again: that, nothing else, and with a crash in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from migrations_app.engine.errors import LeaseLost, Stopped
from migrations_app.engine.events import CheckResult, Event, Step, StepFinished, StepStarted
from migrations_app.engine.spec import Options, RolePolicy, VerificationLevel
from tests.engine.moving import Move, assert_same_dump, nothing_left
from tests.engine.test_complaints_offline import rows
from tests.engine.test_restricted_administrator import OWNED
from tests.fixtures.providers import play
from tests.fixtures.servers import RunningServer, ServerPool

Pair = tuple[RunningServer, RunningServer]
Hook = Callable[[Event], None]

FAMILY = """
CREATE TABLE parent (id int PRIMARY KEY, up int REFERENCES parent, filler text);
CREATE TABLE child (id serial PRIMARY KEY, parent int NOT NULL REFERENCES parent, filler text);
CREATE TABLE alone (id int PRIMARY KEY, filler text);
CREATE TABLE audit (id serial PRIMARY KEY, what text);
INSERT INTO parent SELECT g, nullif(g - 1, 0), repeat('p', 50) FROM generate_series(1, 500) g;
INSERT INTO child (parent, filler) SELECT g % 500 + 1, 'c' FROM generate_series(1, 1000) g;
INSERT INTO alone SELECT g, 'a' FROM generate_series(1, 300) g;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO public.audit (what) VALUES (TG_TABLE_NAME); RETURN NEW; END$$;
CREATE TRIGGER noted AFTER INSERT ON parent FOR EACH ROW EXECUTE FUNCTION noted();
COMMENT ON TRIGGER noted ON parent IS 'who came';
CREATE MATERIALIZED VIEW sums AS SELECT parent, count(*) FROM child GROUP BY 1;
"""
PARENT_CHANGED = "ALTER TABLE parent DISABLE TRIGGER ALL; UPDATE parent SET filler = 'x' WHERE id < 9; ALTER TABLE parent ENABLE TRIGGER ALL"


def writing(move: Move, script: str) -> Hook:
    """Return a hook that writes to the target when everything is there and nothing is compared yet."""

    def write(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step is Step.VERIFY:
            move.target.psql(script, database=str(move.databases[0]))

    return write


def stopping(move: Move, when: Callable[[Event], bool]) -> Hook:
    """Return a hook that ends the run as a lost lease does."""

    def stop(event: Event) -> None:
        if when(event):
            move.control.stop(LeaseLost("The test took the lease away."))

    return stop


def copies(move: Move) -> dict[str, int]:
    """Return how often each table's parts were begun, at most."""
    (queue,) = move.queues.values()
    found: dict[str, int] = {}
    for entry in queue._entries.values():
        found[entry.table.name] = max(found.get(entry.table.name, 0), entry.attempts)
    return found


def spoiled(pair: Pair, database: str, work_dir: Path, *, script: str, change: str, **options: object) -> Move:
    """Return a migration whose first run ended with a difference."""
    source, target = pair
    source.psql(script, database=database)
    move = Move(source, target, [database], work_dir, **options)  # type: ignore[arg-type]
    (outcome,) = move.run(on_event=writing(move, change)).databases
    assert outcome.verified == CheckResult.DIFFERENT, move.log.failures
    return move


def test_a_table_with_foreign_keys_and_triggers_is_copied_again_alone(
    pair: Pair, database: str, tmp_path: Path
) -> None:
    """It refers to itself, another refers to it, and its trigger would write into a third."""
    move = spoiled(pair, database, tmp_path, script=FAMILY, change=PARENT_CHANGED)
    before = copies(move)
    assert "Resume copies these tables again: public.parent." in move.log.notes
    move.must_succeed()
    assert {name for name, count in copies(move).items() if count != before[name]} == {"parent"}
    assert_same_dump(move)
    assert rows(pair[1], database, "SELECT count(*) FROM sums") == ["500"]
    nothing_left(move)


def test_a_table_that_others_refer_to_may_lose_all_rows(pair: Pair, database: str, tmp_path: Path) -> None:
    move = spoiled(pair, database, tmp_path, script=FAMILY, change="TRUNCATE parent CASCADE")
    before = copies(move)
    move.must_succeed()
    assert {name for name, count in copies(move).items() if count != before[name]} == {"parent", "child"}
    assert_same_dump(move)


@pytest.mark.parametrize(
    "when",
    [
        lambda event: isinstance(event, StepFinished) and event.step is Step.SCHEMA,
        lambda event: isinstance(event, StepStarted) and event.step is Step.INDEXES,
        lambda event: isinstance(event, StepFinished) and event.step is Step.COPY,
        lambda event: isinstance(event, StepStarted) and event.step is Step.VERIFY,
    ],
    ids=["schema", "emptied", "copied", "verify"],
)
def test_a_run_that_ends_in_between_loses_nothing(
    pair: Pair, database: str, tmp_path: Path, when: Callable[[Event], bool]
) -> None:
    move = spoiled(pair, database, tmp_path, script=FAMILY, change=PARENT_CHANGED)
    before = copies(move)
    with pytest.raises(Stopped):
        move.run(on_event=stopping(move, when))
    move.must_succeed()
    assert {name for name, count in copies(move).items() if count != before[name]} <= {"parent"}
    assert_same_dump(move)


def test_a_run_that_ends_before_the_note_compares_again(
    pair: Pair, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = pair
    source.psql(FAMILY, database=database)
    move = Move(source, target, [database], tmp_path)

    def die(*_: object) -> None:
        raise LeaseLost("The test took the lease away.")

    with monkeypatch.context() as patch:
        patch.setattr("migrations_app.engine.offline.note_unproved", die)
        with pytest.raises(LeaseLost):
            move.run(on_event=writing(move, PARENT_CHANGED))
    assert not move.run().succeeded
    move.must_succeed()
    assert_same_dump(move)


PARTITIONS = """
CREATE TYPE mood AS ENUM ('low', 'mid', 'high');
CREATE TABLE ranged (id int, filler text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE ranged_1 PARTITION OF ranged FOR VALUES FROM (0) TO (500);
CREATE TABLE ranged_2 PARTITION OF ranged FOR VALUES FROM (500) TO (1000);
CREATE TABLE pointing (id int REFERENCES ranged);
CREATE TABLE hashed (m mood, id int) PARTITION BY HASH (m);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO ranged SELECT g, 'r' FROM generate_series(0, 999) g;
INSERT INTO pointing SELECT g FROM generate_series(0, 999) g;
INSERT INTO hashed SELECT (enum_range(NULL::mood))[g % 3 + 1], g FROM generate_series(1, 90) g;
"""


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("DELETE FROM pointing WHERE id = 7; DELETE FROM ranged WHERE id = 7", {"ranged_1", "pointing"}),
        ("DELETE FROM hashed WHERE id = 7", {"hashed_0", "hashed_1"}),
    ],
    ids=["range", "hash of an enum"],
)
def test_partitions(pair: Pair, database: str, tmp_path: Path, change: str, again: set[str]) -> None:
    """The rows of partitions by hash of an enum are in other partitions there: all of them are copied again.

    That tree is also copied again with each new snapshot, since none of its partitions can be proved alone.
    """
    move = spoiled(pair, database, tmp_path, script=PARTITIONS, change=change)
    before = copies(move)
    move.must_succeed()
    changed = {name for name, count in copies(move).items() if count != before[name]}
    holding = move.source.psql("SELECT DISTINCT tableoid::regclass FROM hashed", database=database).splitlines()
    filled = again & set(holding) if "hashed_0" in again else again  # an empty partition has nothing to copy
    assert filled <= changed <= again | {"hashed_0", "hashed_1"}
    counts = "SELECT (SELECT count(*) FROM ranged), (SELECT count(*) FROM pointing), (SELECT count(*) FROM hashed)"
    assert rows(pair[1], database, counts) == ["1000|1000|90"]


def test_parts_of_a_large_table_are_all_copied_again(pair: Pair, database: str, tmp_path: Path) -> None:
    """The database takes no writes by default, as on the source, by the time it is compared."""
    script = (
        "CREATE TABLE big (id bigint PRIMARY KEY, filler text);"
        "INSERT INTO big SELECT g, repeat('x', 100) || g FROM generate_series(1, 20000) g;"
        f"ALTER DATABASE {database} SET default_transaction_read_only = on"
    )
    options = Options(jobs=2, split_bytes=512 * 1024, verification=VerificationLevel.FULL)
    change = "SET default_transaction_read_only = off; INSERT INTO big VALUES (0, 'more')"
    move = spoiled(pair, database, tmp_path, script=script, change=change, options=options)
    (queue,) = move.queues.values()
    assert len(queue.tables()[0].parts) > 1
    move.must_succeed()
    assert {entry.attempts for entry in queue._entries.values()} == {2}


def test_sequences_and_large_objects_are_mended(pair: Pair, database: str, tmp_path: Path) -> None:
    script = (
        "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t SELECT FROM generate_series(1, 5);"
        "SELECT lo_from_bytea(90001, 'one'), lo_from_bytea(90002, 'two'), lo_from_bytea(90003, 'three');"
        "COMMENT ON LARGE OBJECT 90001 IS 'the first'; GRANT SELECT ON LARGE OBJECT 90001 TO PUBLIC"
    )
    change = "SELECT setval('t_id_seq', 77), lo_put(90001, 0, 'ONE!'), lo_unlink(90002), lo_from_bytea(90009, 'new')"
    move = spoiled(pair, database, tmp_path, script=script, change=change)
    assert "Resume copies 3 large objects again." in move.log.notes
    move.must_succeed()
    assert "Copied 2 large objects." in move.log.notes
    assert max(copies(move).values()) == 1
    assert_same_dump(move)


def test_rows_that_changed_on_the_source_meanwhile_come_from_the_same_snapshot(
    pair: Pair, database: str, tmp_path: Path
) -> None:
    move = spoiled(pair, database, tmp_path, script=FAMILY, change=PARENT_CHANGED)
    pair[0].psql(
        "UPDATE alone SET filler = 'new' WHERE id = 3; INSERT INTO child (parent) VALUES (4)", database=database
    )
    move.must_succeed()
    assert_same_dump(move)


def test_a_table_that_is_gone_is_told_and_nothing_is_noted(pair: Pair, database: str, tmp_path: Path) -> None:
    change = f"{PARENT_CHANGED}; DROP TABLE alone"
    move = spoiled(pair, database, tmp_path, script=FAMILY, change=change)
    assert any("public.alone. Resume cannot copy rows into them" in note for note in move.log.notes), move.log.notes
    (again,) = move.run().databases
    assert again.verified == CheckResult.DIFFERENT


def test_a_broken_foreign_key_of_the_source_is_not_called_gone(pair: Pair, database: str, tmp_path: Path) -> None:
    script = (
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p);"
        "INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1);"
        "SET session_replication_role = replica; INSERT INTO c VALUES (9)"
    )
    move = spoiled(pair, database, tmp_path, script=script, change="INSERT INTO p VALUES (3)")
    (again,) = move.run().databases
    assert len(again.losses) == 1
    assert not [finding for finding in move.log.findings if finding.server_message == "It is gone."]
    assert rows(pair[1], database, "SELECT count(*) FROM p") == ["2"]


def test_tables_of_other_owners_are_copied_again_without_a_superuser(servers: ServerPool, tmp_path: Path) -> None:
    """When verification has ended, the tables belong to their owners already."""
    source, target = play(servers, "self", 15, name="restricted"), play(servers, "azure", 18, name="restricted")
    with source.fresh_database() as database:
        source.as_admin(
            OWNED.format(owner="again_owner")
            + "GRANT USAGE ON SCHEMA app TO again_owner; INSERT INTO app.t SELECT generate_series(1, 100);"
            "CREATE FUNCTION app.noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            "CREATE TRIGGER noop AFTER INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.noop();"
            "CREATE TABLE app.refers (id int REFERENCES app.t); INSERT INTO app.refers SELECT generate_series(1, 50);"
            "CREATE MATERIALIZED VIEW app.seen AS SELECT id FROM app.t; ALTER TABLE app.t ENABLE ROW LEVEL SECURITY;"
            "SELECT lo_from_bytea(90001, 'one'); ALTER LARGE OBJECT 90001 OWNER TO again_owner",
            database=database,
        )
        move = Move(
            source.server,
            target.server,
            [database],
            tmp_path,
            options=Options(jobs=2, roles=RolePolicy.COPY, verification=VerificationLevel.FULL),
            source_user=source.admin_login,
            target_user=target.admin_login,
        )
        assert not move.run(
            on_event=writing(move, "DELETE FROM app.t WHERE id = 77; SELECT lo_put(90001, 0, 'ONE')")
        ).succeeded
        move.must_succeed()
        owner = "SELECT relowner::regrole FROM pg_class WHERE oid = 'app.t'::regclass"
        assert target.superuser(owner, database=database) == "again_owner"
        target.server.drop_database(database)
