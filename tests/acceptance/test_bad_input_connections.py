"""Bad input: servers that cannot be reached. The connection test refuses, and a started migration ends, in words."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.spec import Endpoint, MigrationOption, Side
from migrations_app.models import MigrationEvent, State
from migrations_app.services.connection_test import test_connection as connection_test
from portal.local_postgres.tls import Authority
from tests.acceptance.conducting import run
from tests.fixtures.migrations import endpoint_row
from tests.fixtures.servers import RunningServer, ServerPool

pytestmark = pytest.mark.django_db(transaction=True)

TIMEOUT_SECONDS = 10
ROUNDING_SECONDS = 4


@pytest.fixture
def plain(servers: ServerPool) -> RunningServer:
    return servers.get(17)


@pytest.fixture
def encrypted(servers: ServerPool) -> Iterator[RunningServer]:
    server = servers.get(17, tls=True, name="certificates")
    good = server.cluster.tls
    yield server
    assert good is not None
    server.use_certificate(good)


@contextmanager
def dropping_port() -> Iterator[int]:
    """A port whose queue is full: the kernel drops every further packet that asks for a connection."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes the connection and then never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def refused(endpoint: Endpoint) -> ConnectionFailed:
    """Run the connection test as the wizard does; return why it was refused."""
    row = endpoint_row(endpoint)
    with pytest.raises(ConnectionFailed) as caught:
        connection_test(row, endpoint.side)
    row.refresh_from_db()
    assert row.tested_at is None
    assert endpoint.password not in f"{caught.value.message} {caught.value.hint} {caught.value.server_message}"
    return caught.value


def ends(make_migration: Callable[..., object], endpoint: Endpoint, other: RunningServer) -> float:
    """Start a migration from ``endpoint`` all the same; return how long it took to say why it cannot be."""
    target = other.endpoint(Side.TARGET)
    ended = run(make_migration, endpoint, target, "shop", option=MigrationOption.VALIDATE_AND_MIGRATE)
    assert ended.state == State.VALIDATION_FAILED
    assert ended.failed and all(finding.fix for finding in ended.failed)
    assert ended.migration.error and ended.migration.error_hint
    assert "Nothing" in ended.database.on_target or not ended.database.on_target
    assert MigrationEvent.objects.filter(migration=ended.migration, to_state=State.VALIDATION_FAILED).exists()
    return ended.seconds


def test_a_wrong_password(make_migration, plain: RunningServer) -> None:
    endpoint = plain.endpoint(password="not the password")
    error = refused(endpoint)
    assert error.kind == "wrong_password"
    assert "ALTER ROLE" in error.hint
    ends(make_migration, endpoint, plain)


def test_a_user_that_does_not_exist(plain: RunningServer) -> None:
    assert refused(plain.endpoint(user="nobody_here", password="x y z")).kind == "wrong_password"


@pytest.mark.parametrize("port", [dropping_port, silent_port])
def test_a_host_that_drops_packets(make_migration, plain: RunningServer, port: Callable[..., object]) -> None:
    with port() as number:
        endpoint = replace(plain.endpoint(), port=number)
        error = refused(endpoint)
        assert error.kind == "timeout", error.server_message
        assert "did not answer within 10 seconds" in error.message
        assert "firewall" in error.hint
        if port is dropping_port:
            assert ends(make_migration, endpoint, plain) < TIMEOUT_SECONDS + ROUNDING_SECONDS


def test_a_port_where_nothing_listens(make_migration, plain: RunningServer) -> None:
    with silent_port() as number:
        endpoint = replace(plain.endpoint(), port=number)
    assert refused(endpoint).kind == "refused"
    ends(make_migration, endpoint, plain)


def test_a_host_that_nobody_knows(plain: RunningServer) -> None:
    error = refused(replace(plain.endpoint(), host="no-such-host.invalid"))
    assert error.kind == "unknown_host"
    assert "spelling" in error.hint


def test_something_that_is_not_postgresql(plain: RunningServer) -> None:
    """Whatever answers, the words say that it is not what was expected, and no bytes of it break the page."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = replace(plain.endpoint(), port=listener.getsockname()[1])

        def answer() -> None:
            for _ in range(2):
                connection, _address = listener.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n\x00\xff")

        threading.Thread(target=answer, daemon=True).start()
        error = refused(endpoint)
    assert error.message and error.hint
    assert error.kind != "wrong_password"


def test_a_server_without_tls(make_migration, plain: RunningServer) -> None:
    endpoint = plain.endpoint(sslmode="require")
    error = refused(endpoint)
    assert error.kind == "tls_refused"
    assert "ssl = on" in error.hint
    ends(make_migration, endpoint, plain)


def test_a_server_that_demands_tls(encrypted: RunningServer) -> None:
    error = refused(encrypted.endpoint(sslmode="disable"))
    assert error.kind == "tls_required"
    assert "require" in error.hint


def test_another_authority(make_migration, encrypted: RunningServer, plain: RunningServer, tmp_path) -> None:
    stranger = Authority(tmp_path / "stranger", name="Somebody else's authority")
    endpoint = replace(encrypted.endpoint(), ca_file=str(stranger.ca_file))
    error = refused(endpoint)
    assert error.kind == "ca_wrong"
    assert "Upload the certificate authority" in error.hint
    ends(make_migration, endpoint, plain)


def test_a_certificate_for_another_host(make_migration, encrypted: RunningServer, plain: RunningServer) -> None:
    encrypted.use_certificate(encrypted.authority.issue("db.example.com"))
    endpoint = encrypted.endpoint()
    error = refused(endpoint)
    assert error.kind == "host_mismatch"
    assert "verify-ca" in error.hint
    ends(make_migration, endpoint, plain)


def test_a_certificate_that_expired(make_migration, encrypted: RunningServer, plain: RunningServer) -> None:
    encrypted.use_certificate(encrypted.authority.issue("localhost", "127.0.0.1", expired=True))
    endpoint = encrypted.endpoint()
    error = refused(endpoint)
    assert error.kind == "certificate_expired"
    assert "Renew" in error.hint
    ends(make_migration, endpoint, plain)
