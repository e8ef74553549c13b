"""Apply one backlog through the portal and end when a marker row arrives: a process of ``benchmarks.replication``."""

from __future__ import annotations

import sys
import time

from benchmarks.servers import PASSWORD
from migrations_app.engine.control import Control
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication.apply import ApplyState
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.through_portal import ThroughPortal
from migrations_app.engine.spec import Endpoint, Side

SECONDS = "Seconds until the marker arrived:"


def main() -> int:
    """Exit code 1 when the apply broke."""
    database, source_database, source_port, target_port, marker, streaming = sys.argv[1:]
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
    engine = ThroughPortal(link, control=control, streaming=streaming == "streaming")
    with link.subscriber.connected(database, read_only=False) as connection:
        began_at = time.monotonic()
        engine.start()
        while connection.execute("SELECT 1 FROM public.marker WHERE id = %s", (int(marker),)).fetchone() is None:
            status = engine.status()
            if status.state is ApplyState.BROKEN:
                print(status)
                return 1
            time.sleep(0.02)
    seconds = time.monotonic() - began_at
    print(engine.status())
    engine.stop()
    print(f"{SECONDS} {seconds:.3f}")
    return 0


def _server(side: Side, port: str, control: Control) -> Server:
    endpoint = Endpoint(side=side, host="127.0.0.1", port=int(port), user="postgres", password=PASSWORD)
    return Server(endpoint, tag="pgmig/benchmark/1", control=control)


if __name__ == "__main__":
    sys.exit(main())
