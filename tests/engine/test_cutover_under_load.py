"""A database that is written to all the time moves, and no transaction that was acknowledged is missing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from benchmarks.memory_queue import MemoryPartQueue
from migrations_app.engine.control import Control
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.migrating import run_tag
from migrations_app.engine.ports import PersonRequest, RequestKind
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication.apply import ApplyEngine, ApplyState
from migrations_app.engine.replication.clean_up import clean_up, finish
from migrations_app.engine.replication.cutover import cut_over
from migrations_app.engine.replication.cutover_steps import CutoverResult
from migrations_app.engine.replication.fall_back import followed_back, go_back
from migrations_app.engine.replication.follow_note import look_up_note
from migrations_app.engine.replication.link import Following, Link
from migrations_app.engine.replication.server_to_server import ServerToServer
from migrations_app.engine.replication.starting import copy_and_follow, link_of
from migrations_app.engine.replication.through_portal import ThroughPortal
from migrations_app.engine.spec import (
    DatabaseSpec,
    MigrationMode,
    MigrationSpec,
    OnlineOptions,
    Options,
    Side,
    VerificationLevel,
)
from migrations_app.engine.target.database import prepare_target
from migrations_app.engine.target.markers import Markers
from tests.engine.cutting_over import wait_until
from tests.engine.moving import EventLog
from tests.fixtures.servers import RunningServer, ServerPool
from tests.fixtures.workload import Workload, fill

ENGINES = (ServerToServer, ThroughPortal)
ROLE = "busy_app"
GRANTS = """
GRANT ALL ON SCHEMA shop, "Sp ace", public TO busy_app; GRANT ALL ON ALL TABLES IN SCHEMA shop, "Sp ace", public TO busy_app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA shop, "Sp ace", public TO busy_app;
ALTER LARGE OBJECT 90001 OWNER TO busy_app; ALTER LARGE OBJECT 90002 OWNER TO busy_app;
"""


@dataclass
class Busy:
    """A database that the product itself has copied and follows."""

    source: RunningServer
    target: RunningServer
    database: str
    following: Following
    log: EventLog = field(default_factory=EventLog)

    def conninfo(self, server: RunningServer) -> str:
        """How the application logs in; it is no superuser, whom nobody can keep out."""
        return f"host=127.0.0.1 port={server.port} dbname={self.database} user={ROLE} password=pw"

    def engine_for(self, link: Link) -> ApplyEngine:
        """Return an engine of the same kind, at work."""
        engine = type(self.following.engine)(link, control=self.following.job.control)  # type: ignore[call-arg]
        engine.start()
        wait_until(lambda: engine.status().state is ApplyState.APPLYING)
        return engine


@contextmanager
def busy(servers: ServerPool, work_dir: Path, engine: type[ServerToServer] | type[ThroughPortal]) -> Iterator[Busy]:
    """Fill a database, and begin to follow it."""
    source, target = servers.get(17), servers.get(18)
    for server in (source, target):
        if server.psql(f"SELECT count(*) FROM pg_roles WHERE rolname = '{ROLE}'") == "0":
            server.psql(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'pw'")
    with source.fresh_database() as name:
        fill(source, name)
        source.psql(GRANTS, database=name)
        if engine is ServerToServer:  # a subscription cannot look up whole rows with json in them
            source.psql("ALTER TABLE shop.log ALTER details TYPE jsonb", database=name)
        log, control = EventLog(), Control(fence=1)
        job = prepare_target(_job(source, target, name, work_dir, log=log, control=control))
        try:
            copy_and_follow(job)
            note = look_up_note(job)
            assert note is not None
            link = link_of(job, note.plan)
            made = engine(link, control=control)
            found = Busy(source, target, name, Following(job, note.plan, link, made), log)
            made.start()
            wait_until(lambda: made.status().state is ApplyState.APPLYING)
            yield found
        finally:
            assert clean_up(job) == ()
            target.drop_database(name)


def _job(
    source: RunningServer, target: RunningServer, name: str, work_dir: Path, *, log: EventLog, control: Control
) -> DatabaseJob:
    migration, database = str(uuid.uuid4()), str(uuid.uuid4())
    spec = MigrationSpec(
        migration,
        "test",
        source.endpoint(Side.SOURCE),
        target.endpoint(Side.TARGET),
        (DatabaseSpec(database, name, name),),
        mode=MigrationMode.ONLINE,
        options=Options(jobs=2),
        online=OnlineOptions(cutover_seconds=60, fall_back=True),
    )
    tag = run_tag(migration, fence=1)
    return DatabaseJob(
        spec=spec,
        database=spec.databases[0],
        source=Server(spec.source, tag=tag, control=control),
        target=Server(spec.target, tag=tag, control=control),
        reporter=log,
        control=control,
        queue=MemoryPartQueue(),
        markers=Markers(migration, database, 1),
        work_dir=work_dir,
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_complaints_1_and_25_no_acknowledged_row_is_lost_there_and_back(
    servers: ServerPool, tmp_path: Path, engine: type[ServerToServer] | type[ThroughPortal]
) -> None:
    """Every role but ours is kept out, and the proof is a comparison of everything at the fence."""
    with busy(servers, tmp_path, engine) as shop:
        database_id = shop.following.job.database.id
        with Workload(shop.conninfo(shop.source), seed=1) as there:
            wait_until(lambda: there.acknowledged > 200, seconds=60)
            request = PersonRequest("1", RequestKind.CUTOVER, database_id, VerificationLevel.FULL)
            ended = cut_over(shop.following, request)
        assert ended.result is CutoverResult.DONE, ended
        assert there.missing_on(shop.target, shop.database) == []
        assert not shop.log.differences
        back = followed_back(shop.following, shop.engine_for)
        with Workload(shop.conninfo(shop.target), seed=2) as again:
            wait_until(lambda: again.acknowledged > 200, seconds=60)
            request = replace(request, kind=RequestKind.GO_BACK)
            ended = go_back(back, request)
        assert ended.result is CutoverResult.DONE, ended
        assert there.missing_on(shop.source, shop.database) == again.missing_on(shop.source, shop.database) == []
        assert not shop.log.differences
        back.engine.stop()
        assert finish(back) == ()


@pytest.mark.parametrize("engine", ENGINES)
def test_ten_megabytes_of_backlog_are_cut_over_within_five_seconds(
    servers: ServerPool, tmp_path: Path, engine: type[ServerToServer] | type[ThroughPortal]
) -> None:
    with busy(servers, tmp_path, engine) as shop:
        shop.following.engine.pause()
        shop.source.psql(
            "INSERT INTO shop.accounts (name, story) SELECT 'late ' || n, repeat(md5(n::text), 15)"
            " FROM generate_series(1, 18000) n",
            database=shop.database,
        )
        shop.following.engine.start()
        wait_until(lambda: shop.following.engine.status().state is ApplyState.APPLYING)
        request = PersonRequest("1", RequestKind.CUTOVER, shop.following.job.database.id, VerificationLevel.COUNTS)
        ended = cut_over(shop.following, request)
        assert ended.result is CutoverResult.DONE, ended
        print([event for event in shop.log.events if "Cutover" in type(event).__name__])  # noqa: T201
        assert ended.downtime_seconds < 5
