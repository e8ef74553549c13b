"""Rules about who answers: another kind of server than was chosen, several servers, a service that cannot go online."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import Endpoint, MigrationMode, MigrationSpec, Side
from migrations_app.engine.validation import validate
from migrations_app.engine.validation.context import ServerContext, see
from migrations_app.engine.validation.rules.endpoints import one_server_answers
from migrations_app.engine.validation.rules.versions import direct_connections
from tests.engine.validating import Recorder, database, drop_role, fires, new_role, of_code, only
from tests.fixtures.servers import RunningServer, ServerPool


@pytest.fixture
def source(servers: ServerPool) -> RunningServer:
    return servers.get(14, name="validated-source")


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    return servers.get(18, name="validated-target")


def found(
    source: RunningServer | Endpoint,
    target: RunningServer,
    *,
    source_type: str = "OnPremises",
    mode: MigrationMode = MigrationMode.OFFLINE,
) -> list[Finding]:
    """Validate a database that need not exist, as superusers."""
    origin = source.endpoint() if isinstance(source, RunningServer) else source
    spec = MigrationSpec(
        "4b1e", "test", origin, target.endpoint(Side.TARGET), (database("app"),), source_type=source_type, mode=mode
    )
    return validate(spec, Server(origin), Server(spec.target), Recorder())


@pytest.fixture
def rds(servers: ServerPool) -> Iterator[RunningServer]:
    """A server with the traces of Amazon RDS."""
    with servers.fresh(15, **{"rds.extensions": "hstore"}) as server:
        server.psql("CREATE ROLE rdsadmin; CREATE ROLE rds_superuser; CREATE ROLE rds_replication")
        yield server


def test_another_kind_of_server_than_was_chosen(rds: RunningServer, target: RunningServer) -> None:
    finding = only(found(rds, target, source_type="GCP_CloudSQL"), "PM1090")
    assert finding.level is Level.WARNING
    assert finding.saw.startswith(
        "Google Cloud SQL for PostgreSQL was chosen, but this looks like Amazon RDS for PostgreSQL. Seen: setting rds.ext"
    )
    assert only(found(rds, target), "PM1090").level is Level.INFO
    assert not of_code(found(rds, target, source_type="AWS_RDS"), "PM1090")


def test_a_server_without_the_traces_of_what_was_chosen(source: RunningServer, target: RunningServer) -> None:
    finding = only(found(source, target, source_type="AWS_AURORA"), "PM1090")
    assert finding.level is Level.WARNING
    assert "shows none of its traces" in finding.saw
    for kind in ("OnPremises", "AzureVM", "Heroku_PostgreSQL", "EDB_PostgreSQL", "Other"):
        assert not of_code(found(source, target, source_type=kind), "PM1090"), kind


def test_an_address_that_leads_to_several_servers(
    servers: ServerPool, source: RunningServer, target: RunningServer
) -> None:
    with servers.fresh(14) as other:
        for server in (source, other):
            server.psql("ALTER ROLE postgres PASSWORD 'the-same'")
        try:
            with _balancing([source.port, other.port]) as port:
                balanced = replace(source.endpoint(password="the-same"), port=port)
                spec = MigrationSpec("4b1e", "test", balanced, target.endpoint(Side.TARGET), ())
                # Alone: sessions of other rules would take turns with this one's, and might take every second server.
                seen = see(Server(balanced)), see(Server(spec.target))
                finding = fires(list(one_server_answers(ServerContext(spec, *seen))), "PM1091")
        finally:
            source.psql(f"ALTER ROLE postgres PASSWORD '{source.password}'")
    assert (finding.code, finding.level) == ("PM1091", Level.FAILED)
    assert "sessions reached 2 servers" in finding.saw
    assert not of_code(found(source, target), "PM1091")


@pytest.mark.parametrize("major", [10, 18])
def test_one_server_answers_a_user_with_few_rights(servers: ServerPool, major: int) -> None:
    server = servers.get(major, name="answering")
    role = new_role(server, "CONNECTION LIMIT 6")
    seen = [see(Server(role.endpoint(server, side))) for side in (Side.SOURCE, Side.TARGET)]
    spec = MigrationSpec("4b1e", "test", seen[0].server.endpoint, seen[1].server.endpoint, ())
    assert not list(one_server_answers(ServerContext(spec, *seen)))
    drop_role(server, role)


def test_a_pooler_is_refused_in_the_providers_words(source: RunningServer, target: RunningServer) -> None:
    host = "ep-cool-1-pooler.eu.neon.tech"
    seen = see(Server(source.endpoint()))
    facts = replace(seen.facts, provider="Neon", host=host, pooler="transaction")
    pooled = replace(seen, server=_Named(source.endpoint(), host=host), facts=facts)
    spec = MigrationSpec("4b1e", "test", source.endpoint(), target.endpoint(Side.TARGET), ())
    (finding,) = direct_connections(ServerContext(spec, pooled, see(Server(spec.target))))
    assert (finding.code, finding.level) == ("PM1004", Level.FAILED)
    assert finding.fix == "The -pooler endpoint is PgBouncer. Use the same name without -pooler."


@pytest.mark.parametrize(
    ("host", "online", "level"),
    [
        ("shop.cluster-ro-abc1.eu-west-1.rds.amazonaws.com", False, Level.WARNING),
        ("shop.cluster-ro-abc1.eu-west-1.rds.amazonaws.com", True, None),  # PM3074 tells it
        ("etl.cluster-custom-abc1.eu-west-1.rds.amazonaws.com", False, Level.WARNING),
        ("etl.cluster-custom-abc1.eu-west-1.rds.amazonaws.com", True, Level.FAILED),
        ("shop.cluster-abc1.eu-west-1.rds.amazonaws.com", True, None),
        ("shop-1.abc1.eu-west-1.rds.amazonaws.com", True, None),
    ],
)
def test_names_of_readers_and_balanced_endpoints(
    source: RunningServer, target: RunningServer, host: str, online: bool, level: Level | None
) -> None:
    """The name is Amazon's, what answers is the source: only the words of the name are under test."""
    named = see(Server(source.endpoint()))
    named = replace(
        named, server=_Named(source.endpoint(), host=host), facts=replace(named.facts, provider="AWS_AURORA", host=host)
    )
    mode = MigrationMode.ONLINE if online else MigrationMode.OFFLINE
    spec = MigrationSpec("4b1e", "test", source.endpoint(), target.endpoint(Side.TARGET), (), mode=mode)
    findings = list(one_server_answers(ServerContext(spec, named, see(Server(spec.target)))))
    assert [finding.level for finding in findings] == ([level] if level else [])
    assert all("writer endpoint" in finding.fix for finding in findings)


def test_a_service_that_cannot_go_online(source: RunningServer, target: RunningServer) -> None:
    finding = only(found(source, target, source_type="Heroku_PostgreSQL", mode=MigrationMode.ONLINE), "PM3070")
    assert finding.level is Level.FAILED
    assert "Heroku Postgres" in finding.saw
    assert not of_code(found(source, target, source_type="Heroku_PostgreSQL"), "PM3070")
    assert not of_code(found(source, target, source_type="AzureVM", mode=MigrationMode.ONLINE), "PM3070")


class _Named(Server):
    """A server that is reached at one address and known by another host name."""

    def __init__(self, reached: Endpoint, *, host: str) -> None:
        super().__init__(reached)
        self._reached = Server(reached)
        self.endpoint = replace(reached, host=host)
        self.connected = self._reached.connected  # type: ignore[method-assign]


@contextmanager
def _balancing(ports: Sequence[int]) -> Iterator[int]:
    """Forward each connection to the next of ``ports``, as a load balancer does."""
    listener = socket.create_server(("127.0.0.1", 0))
    turns = itertools.cycle(ports)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", next(turns)))
            threading.Thread(target=_forward, args=(client, upstream), daemon=True).start()
            threading.Thread(target=_forward, args=(upstream, client), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _forward(reading: socket.socket, writing: socket.socket) -> None:
    try:
        while data := reading.recv(65536):
            writing.sendall(data)
    except OSError:
        writing.close()
        return
    writing.close()
