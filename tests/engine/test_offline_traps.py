"""Traps of PostgreSQL that once cost rows or raised a false alarm here: found by a review, kept as tests."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from benchmarks.memory_queue import MemoryPartQueue
from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError, LeaseLost, Stopped
from migrations_app.engine.events import IndexFinished, IndexStarted, Step, StepFinished, StepStarted
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.plan import ClaimedPart
from migrations_app.engine.postgres import Server
from migrations_app.engine.snapshot import hold_snapshot
from migrations_app.engine.spec import Options, RolePolicy, VerificationLevel
from migrations_app.engine.table_copy.lane import open_lane
from migrations_app.engine.target.markers import Markers
from tests.engine.moving import EventLog, Move, assert_same_dump
from tests.engine.test_complaints_offline import ROWS, rows

HOLD = "CREATE FUNCTION _migration_portal.hold(bigint) RETURNS void LANGUAGE sql AS ''"


@pytest.mark.parametrize(("when", "expected"), [(Step.SCHEMA, {"500"}), (Step.COPY, {"500", "1000"})])
def test_a_table_reloaded_by_truncate_during_the_copy_loses_nothing(pair, database, tmp_path, when, expected):
    """Before the tables are locked a new snapshot is taken; after that the reload waits, or the copy lets it pass."""
    source, target = pair
    source.psql(ROWS.format("reloaded", 1000) + ROWS.format("other", 10), database=database)
    move = Move(source, target, [database], tmp_path)
    began = threading.Event()
    reloader: list[threading.Thread] = []

    def reload(event):
        if isinstance(event, StepStarted) and event.step is when and not began.is_set():
            began.set()
            reloader.append(
                threading.Thread(
                    target=source.psql,
                    args=[
                        "SET lock_timeout = '200s'; BEGIN; TRUNCATE reloaded; INSERT INTO reloaded SELECT g, 'new' FROM generate_series(1, 500) g; COMMIT"
                    ],
                    kwargs={"database": database},
                )
            )
            reloader[0].start()
            time.sleep(1)

    outcome = move.run(on_event=reload)
    reloader[0].join()
    assert outcome.succeeded, move.log.failures
    assert rows(target, database, "SELECT count(*) FROM reloaded")[0] in expected


@pytest.fixture
def crashing(servers, tmp_path):
    """A move with an unlogged table, its target and its database."""
    source, target = servers.get(17, name="restarted"), servers.get(18, name="restarted")
    with source.fresh_database() as database:
        source.psql(
            "CREATE UNLOGGED TABLE u (id int PRIMARY KEY); INSERT INTO u SELECT generate_series(1, 1000);"
            + ROWS.format("l", 100),
            database=database,
        )
        options = Options(jobs=1, verification=VerificationLevel.NONE)
        yield Move(source, target, [database], tmp_path, options=options), target, database
        target.drop_database(database)


def test_unlogged_tables_emptied_by_a_crash_are_copied_again(crashing):
    move, target, database = crashing

    def stop(event):
        if isinstance(event, StepFinished) and event.step is Step.INDEXES:
            move.control.stop(LeaseLost("The test took the lease away."))

    with pytest.raises(Stopped):
        move.run(on_event=stop)
    target.restart("immediate")
    move.must_succeed()
    assert rows(target, database, "SELECT count(*) FROM u") == ["1000"]


def test_a_crash_that_no_session_met_copies_unlogged_tables_once(crashing):
    """The server crashed between two sessions of ours: what was copied after it is there, what was before is not."""
    move, target, database = crashing
    crashed = []

    def crash(event):
        """What is left of a crash that came before anything was copied."""
        if isinstance(event, StepStarted) and event.step is Step.COPY and not crashed:
            crashed.append(target.psql("TRUNCATE _migration_portal.canary", database=database))
        if isinstance(event, StepFinished) and event.step is Step.INDEXES:
            move.control.stop(LeaseLost("The test took the lease away."))

    with pytest.raises(Stopped):
        move.run(on_event=crash)
    assert [note for note in move.log.notes if "emptied its unlogged tables" in note], "\n".join(move.log.notes)
    move.must_succeed()
    assert rows(target, database, "SELECT count(*) FROM u") == ["1000"]


def test_comments_on_foreign_keys_and_event_triggers_arrive(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p);"
        "COMMENT ON CONSTRAINT c_id_fkey ON c IS 'to the parent';"
        "CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION noted();"
        "COMMENT ON EVENT TRIGGER noted IS 'notes'",
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    assert_same_dump(move)


def test_a_source_without_schema_public_arrives(pair, database, tmp_path):
    source, target = pair
    source.psql("CREATE SCHEMA app; CREATE TABLE app.t (id int); DROP SCHEMA public", database=database)
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    assert_same_dump(move)


def test_session_limits_of_the_servers_do_not_end_the_work(pair, database, tmp_path):
    source, target = pair
    source.psql(ROWS.format("t", 1000), database=database)
    source.psql(f"ALTER DATABASE {database} SET transaction_timeout = '300ms'")
    source.psql(f"ALTER DATABASE {database} SET idle_session_timeout = '300ms'")
    source.psql(f"ALTER DATABASE {database} SET statement_timeout = '300ms'")
    Move(source, target, [database], tmp_path).must_succeed()


def test_grants_to_roles_that_are_not_copied_are_one_finding(pair, database, tmp_path):
    source, target = pair
    source.psql("DROP ROLE IF EXISTS left_behind; CREATE ROLE left_behind")
    source.psql(
        "CREATE TABLE t (id int); GRANT SELECT ON t TO left_behind; GRANT SELECT ON t TO PUBLIC", database=database
    )
    options = Options(jobs=1, roles=RolePolicy.SKIP)
    move = Move(source, target, [database], tmp_path, options=options)
    move.must_succeed()
    assert any("left_behind" in finding.subject for finding in move.log.findings)
    assert rows(target, database, "SELECT has_table_privilege('public', 't', 'SELECT')") == ["t"]
    source.psql("DROP OWNED BY left_behind", database=database)
    source.psql("DROP ROLE left_behind")


def test_secrets_of_foreign_servers_stay_out_of_findings(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'far');"
        "CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'u', password 'fdw-top-secret')",
        database=database,
    )
    target.psql("DROP ROLE IF EXISTS admin8; CREATE ROLE admin8 LOGIN CREATEDB CREATEROLE PASSWORD 'pw'")
    move = Move(source, target, [database], tmp_path, target_user=("admin8", "pw"))
    move.run()
    assert any("MAPPING" in finding.subject for finding in move.log.findings)
    assert "fdw-top-secret" not in repr(move.log.events)


def test_extended_statistics_are_filled(pair, database, tmp_path):
    """ANALYZE must come after CREATE STATISTICS, else the planner knows the object and nothing from it."""
    source, target = pair
    source.psql(
        "CREATE TABLE t (a int, b int); INSERT INTO t SELECT g % 10, g % 10 FROM generate_series(1, 1000) g;"
        "CREATE STATISTICS t_ab (dependencies) ON a, b FROM t; COMMENT ON STATISTICS t_ab IS 'go together'; ANALYZE t",
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    assert_same_dump(move)
    assert rows(target, database, "SELECT count(*) FROM pg_stats_ext WHERE dependencies IS NOT NULL") == ["1"]


def test_many_indexes_of_one_table_are_built_side_by_side(pair, database, tmp_path):
    """Beside what locks the table: a primary key, a unique constraint, CLUSTER ON and REPLICA IDENTITY."""
    source, target = pair
    source.psql(
        "CREATE TABLE wide (id int PRIMARY KEY, u int NOT NULL UNIQUE, a int NOT NULL, b int, c int, d text);"
        "INSERT INTO wide SELECT g, g, g, g % 7, g % 11, md5(g::text) FROM generate_series(1, 50000) g;"
        "CREATE UNIQUE INDEX wide_a ON wide (a); CREATE INDEX wide_b ON wide (b); CREATE INDEX wide_c ON wide (c);"
        "CREATE INDEX wide_d ON wide (d); CREATE INDEX wide_lower ON wide (lower(d));"
        "ALTER TABLE wide CLUSTER ON wide_b; ALTER TABLE wide REPLICA IDENTITY USING INDEX wide_a",
        database=database,
    )
    move = Move(source, target, [database], tmp_path, options=Options(jobs=4, verification=VerificationLevel.FULL))
    building, most_at_once = set[str](), 0

    def watch(event):
        nonlocal most_at_once
        if isinstance(event, IndexStarted):
            building.add(event.index)
            most_at_once = max(most_at_once, len(building))
        if isinstance(event, IndexFinished):
            building.discard(event.index)

    assert move.run(on_event=watch).succeeded, move.log.failures
    assert not building
    assert most_at_once > 1
    assert_same_dump(move)


def test_dots_in_names_do_not_make_two_tables_one(pair, database, tmp_path):
    """The tables "a.b"."c" and "a"."b.c": what is noted as copied for one must not count for the other."""
    source, target = pair
    source.psql(
        'CREATE SCHEMA "a.b"; CREATE SCHEMA a; CREATE TABLE "a.b".c AS SELECT 1 AS x; CREATE TABLE a."b.c" AS SELECT 2 AS x',
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    assert_same_dump(move)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("broken", ["source", "target"])
def test_a_client_that_dies_before_it_opens_the_pipe_does_not_leave_the_other_waiting(pair, database, tmp_path, broken):
    """Each psql waits in open() until the other opens the named pipe; both are listened to, so the death is seen."""
    source, target = pair
    source.psql(ROWS.format("t", 10), database=database)
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    target.psql(f"CREATE SCHEMA _migration_portal; {HOLD}", database=database)
    job = DatabaseJob(
        spec=move.spec,
        database=move.spec.databases[0],
        source=Server(move.spec.source),
        target=Server(move.spec.target),
        reporter=EventLog(),
        control=Control(fence=1),
        queue=MemoryPartQueue(),
        markers=Markers(move.id, move.spec.databases[0].id, 1),
        work_dir=tmp_path,
    )
    with hold_snapshot(job.source, database) as snapshot:
        if broken == "source":
            snapshot = replace(snapshot, name="00000000-00000000-1")
        else:
            target.psql("DROP SCHEMA _migration_portal CASCADE", database=database)
        (table,) = move.queues[move.spec.databases[0].id].tables()
        with open_lane(job, snapshot, number=0) as lane:
            slow = lane._source if broken == "source" else lane._target
            slow.send("SELECT pg_sleep(0.5)")  # the other has said something and waits when this one dies
            with pytest.raises(EngineError) as told:
                lane.copy(ClaimedPart(1, table, table.parts[0], 1))
    assert ("snapshot" if broken == "source" else "_migration_portal") in told.value.server_message


SCATTERED = """
CREATE TYPE colour AS ENUM ('red', 'green', 'blue', 'black', 'white');
CREATE TABLE cars (id int NOT NULL, colour colour NOT NULL, note text) PARTITION BY HASH (colour);
CREATE TABLE cars_0 PARTITION OF cars FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE cars_1 (note text, colour colour NOT NULL, id int NOT NULL);
ALTER TABLE cars ATTACH PARTITION cars_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE cars_2 PARTITION OF cars FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE INDEX ON cars (id);
INSERT INTO cars SELECT g, (ARRAY['red', 'green', 'blue', 'black', 'white']::colour[])[1 + g % 5], 'car ' || g FROM generate_series(1, 1000) g;
"""
CARS = "SELECT count(*), sum(id), count(DISTINCT colour) FROM cars"


@pytest.mark.parametrize("major", [11, 17])
def test_partitions_by_hash_of_an_enum_are_filled_anew(servers, tmp_path, major):
    """An enum's value hashes by its OID, which is another one on the target; so does the partition of a row."""
    source, target = servers.get(major), servers.get(18)
    with source.fresh_database() as database:
        source.psql(SCATTERED, database=database)
        target.psql("CREATE TYPE spent_oids AS ENUM ('a', 'b', 'c')", database="postgres")
        move = Move(source, target, [database], tmp_path, options=Options(jobs=3, verification=VerificationLevel.FULL))
        move.must_succeed()
        assert target.psql(CARS, database=database) == source.psql(CARS, database=database)
        assert target.psql("SELECT indexrelid FROM pg_index WHERE NOT indisvalid", database=database) == ""
        target.psql("DROP TYPE spent_oids", database="postgres")
        target.drop_database(database)


def test_scattered_partitions_are_copied_again_when_the_snapshot_is_lost(pair, database, tmp_path):
    source, target = pair
    source.psql(SCATTERED, database=database)
    move = Move(source, target, [database], tmp_path, options=Options(jobs=1, verification=VerificationLevel.FULL))

    def stop(event):
        if isinstance(event, IndexStarted) or (isinstance(event, StepFinished) and event.step is Step.COPY):
            move.control.stop(LeaseLost("The test took the lease away."))

    with pytest.raises(Stopped):
        move.run(on_event=stop)
    target.psql("DELETE FROM _migration_portal.marker WHERE key = 'copied'", database=database)
    source.psql("UPDATE cars SET note = 'changed' WHERE id = 1", database=database)
    move.must_succeed()
    assert any("copied again" in note for note in move.log.notes)
    assert target.psql(CARS, database=database) == source.psql(CARS, database=database)
    target.drop_database(database)


def test_a_changed_row_in_scattered_partitions_is_found(pair, database, tmp_path):
    source, target = pair
    source.psql(SCATTERED, database=database)
    move = Move(source, target, [database], tmp_path)

    def change(event):
        if isinstance(event, StepStarted) and event.step is Step.VERIFY:
            target.psql("UPDATE cars SET note = 'other' WHERE id = 7", database=database)

    assert not move.run(on_event=change).succeeded
    assert {event.name for event in move.log.differences} == {"public.cars_0", "public.cars_1", "public.cars_2"}
    assert all("all partitions of public.cars" in event.detail for event in move.log.differences)


def stopped_at(move, step, kind=StepStarted):
    """Run until a step, then lose the lease there."""

    def stop(event):
        if isinstance(event, kind) and event.step is step:
            move.control.stop(LeaseLost("The test took the lease away."))

    with pytest.raises(Stopped):
        move.run(on_event=stop)


def test_a_table_filled_after_the_first_snapshot_was_lost_arrives_with_its_rows(pair, database, tmp_path):
    """It was empty when the first run planned it; the second must not take that for true."""
    source, target = pair
    source.psql(ROWS.format("filled", 1000) + "CREATE TABLE later (id int PRIMARY KEY)", database=database)
    move = Move(source, target, [database], tmp_path, options=Options(jobs=1, verification=VerificationLevel.FULL))
    stopped_at(move, Step.COPY, StepFinished)
    target.psql("DELETE FROM _migration_portal.marker WHERE key = 'copied'", database=database)
    source.psql("INSERT INTO later SELECT generate_series(1, 500)", database=database)
    move.must_succeed()
    assert rows(target, database, "SELECT count(*) FROM later") == ["500"]


def test_a_publication_of_all_tables_does_not_hinder_our_notes(pair, database, tmp_path):
    source, target = pair
    source.psql(ROWS.format("t", 10) + "CREATE PUBLICATION everything FOR ALL TABLES", database=database)
    move = Move(source, target, [database], tmp_path)
    stopped_at(move, Step.VERIFY)
    move.must_succeed()
    assert_same_dump(move)


def test_statistics_that_cannot_be_collected_are_a_finding(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE TABLE t (a int NOT NULL, b int); INSERT INTO t SELECT g % 5, g FROM generate_series(1, 1000) g;"
        "CREATE STATISTICS s ON (1 / a), b FROM t",
        database=database,
    )
    move = Move(source, target, [database], tmp_path)
    move.must_succeed()
    (finding,) = [found for found in move.log.findings if found.code == "PM4011"]
    assert "division by zero" in finding.server_message
    assert finding.fix_sql == 'ANALYZE "public"."t";'


def test_a_broken_foreign_key_stays_a_loss_until_its_rows_are_mended(pair, database, tmp_path):
    source, target = pair
    source.psql(
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (2);"
        "CREATE TABLE c (p_id int REFERENCES p); INSERT INTO c VALUES (1), (2);"
        "SET session_replication_role = replica; DELETE FROM p WHERE id = 2",
        database=database,
    )
    move = Move(source, target, [database], tmp_path, options=Options(jobs=1, verification=VerificationLevel.NONE))
    for _ in range(2):
        outcome = move.run()
        assert not outcome.succeeded
        assert outcome.databases[0].losses == ("FK CONSTRAINT public.c c_p_id_fkey",)
    target.psql("INSERT INTO p VALUES (2)", database=database)
    move.must_succeed()
    assert rows(target, database, "SELECT convalidated FROM pg_constraint WHERE conname = 'c_p_id_fkey'") == ["t"]
