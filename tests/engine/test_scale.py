"""Large sources: many tables, many rows, wide rows. Run with ./run campaign; each prints what it measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from migrations_app.engine.spec import Options, VerificationLevel
from tests.engine.moving import Move

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(1800)]
MIB = 1024 * 1024


class Memory(threading.Thread):
    """Samples the resident memory of this process and of the client programs it started."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = psutil.Process().memory_info().rss
        self.python = self.before
        self.clients = 0
        self._ended = threading.Event()

    def run(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(0.2):
            self.python = max(self.python, me.memory_info().rss)
            total = 0
            for child in me.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if child.name() in ("psql", "pg_dump", "pg_restore"):
                        total += child.memory_info().rss
            self.clients = max(self.clients, total)

    def stop(self) -> None:
        self._ended.set()
        self.join()


@contextmanager
def measured(capsys, what: str) -> Iterator[Memory]:
    memory = Memory()
    memory.start()
    began_at = time.monotonic()
    yield memory
    seconds = time.monotonic() - began_at
    memory.stop()
    with capsys.disabled():
        print(
            f"\n{what}: {seconds:.0f} s; portal process {memory.python / MIB:.0f} MiB at most"
            f" ({memory.before / MIB:.0f} MiB before), its psql, pg_dump and pg_restore {memory.clients / MIB:.0f} MiB"
        )


def servers_for(servers, **settings):
    return servers.get(17, name="scale", **settings), servers.get(18, name="scale", **settings)


def test_ten_thousand_tables(servers, tmp_path, capsys):
    source, target = servers_for(servers, max_locks_per_transaction=1024)
    with source.fresh_database() as name:
        for start in range(1, 10_001, 1000):
            source.psql(
                f"DO $$BEGIN FOR i IN {start}..{start + 999} LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, x text)', i);"
                " IF i %% 10 = 0 THEN EXECUTE format('INSERT INTO t%s VALUES (1, ''one'')', i); END IF;"
                " END LOOP; END$$".replace("%%", "%"),
                database=name,
            )
        options = Options(jobs=2, verification=VerificationLevel.FULL)
        with measured(capsys, "10,000 tables, verified"):
            Move(source, target, [name], tmp_path, options=options).must_succeed()
        assert (
            target.psql("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'", database=name).strip() == "10000"
        )
        target.drop_database(name)


def test_ten_million_rows(servers, tmp_path, capsys):
    source, target = servers_for(servers, max_wal_size="4GB")
    with source.fresh_database() as name:
        source.psql(
            "CREATE TABLE big (id bigint PRIMARY KEY, at timestamptz, amount numeric(12,2), note text);"
            "INSERT INTO big SELECT g, timestamptz '2026-01-01' + g * interval '1 s', g / 7.0, md5(g::text)"
            " FROM generate_series(1, 10000000) g; CREATE INDEX ON big (at)",
            database=name,
        )
        options = Options(jobs=2, split_bytes=256 * MIB, verification=VerificationLevel.FULL)
        with measured(capsys, "10,000,000 rows, verified") as memory:
            Move(source, target, [name], tmp_path, options=options).must_succeed()
        assert target.psql("SELECT count(*) FROM big", database=name).strip() == "10000000"
        assert memory.python - memory.before < 100 * MIB
        target.drop_database(name)


def test_wide_rows_stream_in_constant_memory(servers, tmp_path, capsys):
    source, target = servers_for(servers, max_wal_size="4GB")
    with source.fresh_database() as name:
        source.psql(
            "CREATE TABLE wide (id int PRIMARY KEY, body text, image bytea); ALTER TABLE wide ALTER image SET STORAGE EXTERNAL;"
            "INSERT INTO wide SELECT g, repeat(md5(g::text), 160000), decode(repeat(md5(g::text), 320000), 'hex')"
            " FROM generate_series(1, 110) g",
            database=name,
        )
        size = int(source.psql("SELECT sum(octet_length(body) + octet_length(image)) FROM wide", database=name))
        assert size > 1024 * MIB
        options = Options(jobs=2, verification=VerificationLevel.FULL)
        with measured(capsys, f"{size / MIB:.0f} MiB in rows of 10 MB, verified") as memory:
            Move(source, target, [name], tmp_path, options=options).must_succeed()
        assert memory.python - memory.before < 100 * MIB
        assert memory.clients < 400 * MIB
        target.drop_database(name)
