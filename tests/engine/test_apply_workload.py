"""A workload that is hard to follow, through the portal's own apply engine, whoever is ended meanwhile."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from portal.local_postgres import find
from tests.engine.applying import Followed, followed
from tests.fixtures.servers import ServerPool
from tests.fixtures.workload import DEEDS, Workload, fill

# The trigger's rows are in the stream; unlogged tables are not.
PREPARE = "ALTER TABLE shop.children DISABLE TRIGGER count_toys"
NOT_FOLLOWED = ("shop.cache",)


@pytest.mark.slow
@pytest.mark.parametrize(("publisher", "seed", "streaming"), [(12, 1, False), (15, 2, True), (17, 3, False)])
def test_a_hard_workload_arrives_exactly_once(servers: ServerPool, publisher: int, seed: int, streaming: bool) -> None:
    source = servers.get(publisher, name="busy", wal_level="logical", max_prepared_transactions=10)
    target = servers.get(18)
    with followed(source, target, "", start=False, memory_bytes=300_000, streaming=streaming) as made:
        made.on_target.execute("DROP TABLE public.zz_marker")
        fill(source, made.source_database)
        made.on_source.execute("ALTER TABLE shop.votes REPLICA IDENTITY FULL")
        _copy_schema(made)
        made.engine.start()
        with Workload(source.cluster.conninfo(database=made.source_database), seed=seed, two_phase=True) as workload:
            deadline = time.monotonic() + 60
            while workload.acknowledged < 15 * len(DEEDS) and time.monotonic() < deadline:
                time.sleep(0.3)
                _end_our_sessions(made)
        made.assert_same(*(table for table in made.tables() if table not in NOT_FOLLOWED))
        assert workload.missing_on(target, made.target_database) == []


def _copy_schema(made: Followed) -> None:
    programs = find(18).bin_dir
    source = made.source.cluster.conninfo(database=made.source_database)
    command: list[Path | str] = [programs / "pg_dump", "--schema-only", "--no-publications", source]
    dump = subprocess.run(command, check=True, capture_output=True).stdout
    target = made.target.cluster.conninfo(database=made.target_database)
    psql: list[Path | str] = [programs / "psql", "-qX", "-v", "ON_ERROR_STOP=1", target]
    subprocess.run(psql, input=dump + PREPARE.encode(), check=True, capture_output=True)


def _end_our_sessions(made: Followed) -> None:
    for server in (made.source, made.target):
        with server.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s AND random() < 0.1",
                (f"pgmig/{made.link.name}/%",),
            )
