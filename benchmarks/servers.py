"""The two servers of a benchmark: PostgreSQL 17 as source, 18 as target, both durable, on this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accounting import server_cpu_seconds
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import Endpoint, Side
from portal.local_postgres import Cluster, find

SOURCE_MAJOR = 17
TARGET_MAJOR = 18
PASSWORD = "benchmark only"
SETTINGS: dict[str, object] = {
    "fsync": True,
    "full_page_writes": True,
    "synchronous_commit": True,
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "wal_level": "logical",
    "max_connections": 100,
    "autovacuum": True,
    "max_locks_per_transaction": 256,
}


@dataclass(frozen=True)
class BenchServer:
    """A running server: how to reach it and what it used so far."""

    cluster: Cluster
    endpoint: Endpoint

    @property
    def server(self) -> Server:
        """The server as the engine sees it."""
        return Server(self.endpoint, tag="pgmig/benchmark")

    def url(self, database: str) -> str:
        """A connection string without the password, which travels as PGPASSWORD."""
        return f"postgresql://{self.endpoint.user}@127.0.0.1:{self.endpoint.port}/{database}"

    def cpu_seconds(self) -> float:
        """CPU used since the server started."""
        pid = self.cluster.pid
        return server_cpu_seconds(pid) if pid else 0.0

    def wal_position_bytes(self) -> int:
        """How much write-ahead log the server has written, as a position."""
        with self.server.connected(read_only=False) as connection:
            row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def two_servers(folder: Path) -> Iterator[tuple[BenchServer, BenchServer]]:
    """Start source and target in ``folder``, where the source and its data stay for the next benchmark."""
    source = _server(folder / f"source{SOURCE_MAJOR}", SOURCE_MAJOR, Side.SOURCE)
    target = _server(folder / f"target{TARGET_MAJOR}", TARGET_MAJOR, Side.TARGET)
    try:
        for each in (source, target):
            if not each.cluster.exists():
                each.cluster.create()
            each.cluster.start()
        yield source, target
    finally:
        source.cluster.stop()
        target.cluster.stop()


def _server(folder: Path, major: int, side: Side) -> BenchServer:
    port = _free_port()
    cluster = Cluster(folder, find(major), port=port, password=PASSWORD, settings=SETTINGS)
    endpoint = Endpoint(
        side=side, host="127.0.0.1", port=port, user=cluster.superuser, password=PASSWORD, sslmode="disable"
    )
    return BenchServer(cluster, endpoint)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
