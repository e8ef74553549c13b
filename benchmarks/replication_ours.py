"""Apply one backlog with an engine of ours, until the input ends: a process of ``benchmarks.replication``."""

from __future__ import annotations

import select
import sys

from benchmarks.servers import PASSWORD
from migrations_app.engine.control import Control
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication.apply import ApplyEngine, ApplyState
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.server_to_server import ServerToServer
from migrations_app.engine.replication.through_portal import ThroughPortal
from migrations_app.engine.spec import Endpoint, Side

READY, GO = "ready", "go"
LOOK_EVERY_SECONDS = 2.0


def main() -> int:
    """Exit code 1 when the apply broke."""
    database, source_database, source_port, target_port, way = sys.argv[1:]
    control = Control(fence=1)
    link = Link(
        publisher=_server(Side.SOURCE, source_port, control),
        publisher_database=source_database,
        subscriber=_server(Side.TARGET, target_port, control),
        subscriber_database=database,
        name=database,
        tables=(),
        fence=1,
    )
    engine = _engine(link, way, control)
    print(READY, flush=True)
    sys.stdin.readline()
    engine.start()
    while not select.select([sys.stdin], [], [], LOOK_EVERY_SECONDS)[0]:
        status = engine.status()
        if status.state is ApplyState.BROKEN:
            print(status)
            return 1
    print(engine.status())
    engine.stop()
    if isinstance(engine, ServerToServer):
        engine.remove()
    return 0


def _engine(link: Link, way: str, control: Control) -> ApplyEngine:
    if way == "server":
        return ServerToServer(link, control=control)
    return ThroughPortal(link, control=control, streaming=way == "streaming")


def _server(side: Side, port: str, control: Control) -> Server:
    endpoint = Endpoint(
        side=side, host="127.0.0.1", port=int(port), user="postgres", password=PASSWORD, sslmode="disable"
    )
    return Server(endpoint, tag="pgmig/benchmark/1", control=control)


if __name__ == "__main__":
    sys.exit(main())
