"""A connection that ends where it is least convenient: it passes, and nobody waits for it with everything standing still."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.errors import ConnectionFailed, ConnectionLost
from migrations_app.engine.patience import passes
from migrations_app.engine.postgres import Server, connection
from migrations_app.engine.snapshot import hold_view, join
from migrations_app.engine.spec import Endpoint, Side
from tests.fixtures.servers import ServerPool
from tests.fixtures.wires import Wire

ROOT = Path(__file__).parents[2]
READ = """
import pickle, sys
from migrations_app.engine.errors import ConnectionLost
from migrations_app.engine.postgres import Server
from migrations_app.engine.postgres import replication_stream
from migrations_app.engine.postgres.replication_stream import ReplicationStream
endpoint, database = pickle.load(sys.stdin.buffer)
with ReplicationStream(Server(endpoint), database, slot="frozen", encoding="UTF8") as stream:
    stream.start(from_lsn="0/0", options={"proto_version": "1", "publication_names": "frozen"})
    print("reads", flush=True)
    try:
        while True:
            while data := stream.take():
                if data[0] == replication_stream.KEEPALIVE:
                    lsn, _ = replication_stream.keepalive(data)
                    stream.confirm(received_lsn=lsn, applied_lsn=lsn)
            stream.wait(0.2)
    except ConnectionLost as error:
        print("lost", flush=True)
"""


def test_a_session_that_ends_before_it_was_used_is_tried_again(
    servers: ServerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers.get(18)
    real = connection.refuse_transaction_pooling

    def end_it(session: connection.Connection, *, endpoint: Endpoint) -> None:
        real(session, endpoint=endpoint)
        server.psql(f"SELECT pg_terminate_backend({session.info.backend_pid}, 5000)")

    monkeypatch.setattr(connection, "refuse_transaction_pooling", end_it)
    with pytest.raises(ConnectionFailed) as failed:
        Server(server.endpoint()).open()
    assert passes(failed.value), failed.value.kind


def test_a_stream_that_the_server_ended_does_not_freeze_its_reader(servers: ServerPool) -> None:
    """A server that shuts down says so and goes; the end of its connection may be lost on the way."""
    with servers.fresh(17) as server, server.fresh_database() as database, Wire(server.port) as wire:
        server.psql(
            "CREATE PUBLICATION frozen; SELECT pg_create_logical_replication_slot('frozen', 'pgoutput')",
            database=database,
        )
        endpoint = server.endpoint()
        reader = subprocess.Popen(
            [sys.executable, "-c", READ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert reader.stdin is not None and reader.stdout is not None
        reader.stdin.write(pickle.dumps((replace(endpoint, port=wire.port), database)))
        reader.stdin.flush()
        try:
            assert reader.stdout.readline() == b"reads\n"
            wire.hides_ends = True
            server.restart("fast")
            said, _ = reader.communicate(timeout=20)
            assert said == b"lost\n"
        finally:
            reader.kill()
            wire.hides_ends = False


@pytest.mark.parametrize("major", [10, 15, 18])
def test_a_snapshot_that_ended_with_its_session_passes(servers: ServerPool, major: int) -> None:
    """The source was restarted between a slot and the session that takes its snapshot over: all of it is done again."""
    server = servers.get(major)
    source = Server(server.endpoint(Side.SOURCE), tag="pgmig/test")
    with source.connected("postgres", purpose="one") as one, source.connected("postgres", purpose="other") as other:
        hold_view(one)
        row = one.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        one.execute("ROLLBACK")
        with pytest.raises(ConnectionLost) as lost:
            join(other, row[0])
    assert passes(lost.value) and lost.value.server_message
