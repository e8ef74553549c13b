"""Six TLS modes against every kind of certificate, and against a pooled port: what connects, and what the refusal is called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.errors import ConnectionFailed
from migrations_app.engine.postgres import Server
from migrations_app.engine.probe import probe_server
from migrations_app.engine.spec import Side
from portal.local_postgres.tls import Authority, ServerCertificate
from portal.wizard.fact_strip import warnings_of
from tests.fixtures.pooler import pooled
from tests.fixtures.servers import RunningServer, ServerPool

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Each case: what is said in each of the modes; an empty text is a connection.
DEMANDS_TLS = ("tls_required", "", "", "")
EXPECTED = {
    "right authority": (*DEMANDS_TLS, "", ""),
    "another authority": (*DEMANDS_TLS, "ca_wrong", "ca_wrong"),
    "no authority given": (*DEMANDS_TLS, "ca_wrong", "ca_wrong"),
    "another host": (*DEMANDS_TLS, "", "host_mismatch"),
    "expired": (*DEMANDS_TLS, "certificate_expired", "certificate_expired"),
    "server without TLS": ("", "", "", "tls_refused", "tls_refused", "tls_refused"),
}
CASES = [(case, mode, kind) for case, kinds in EXPECTED.items() for mode, kind in zip(MODES, kinds, strict=True)]


@pytest.fixture
def encrypted(servers: ServerPool) -> Iterator[RunningServer]:
    server = servers.get(17, tls=True, name="tls-modes")
    good = server.cluster.tls
    yield server
    assert good is not None
    server.use_certificate(good)


@pytest.mark.parametrize(("case", "mode", "kind"), CASES)
def test_a_mode_meets_a_certificate(
    servers: ServerPool, encrypted: RunningServer, tmp_path: Path, case: str, mode: str, kind: str
) -> None:
    server = servers.get(17) if case == "server without TLS" else encrypted
    assert encrypted.authority is not None
    endpoint = replace(server.endpoint(), sslmode=mode, ca_file=str(encrypted.authority.ca_file))
    if case == "another authority":
        endpoint = replace(endpoint, ca_file=str(Authority(tmp_path / "stranger", name="Somebody else's").ca_file))
    elif case == "no authority given":
        endpoint = replace(endpoint, ca_file=None)
    elif case == "another host":
        encrypted.use_certificate(encrypted.authority.issue("db.example.com"))
    elif case == "expired":
        encrypted.use_certificate(encrypted.authority.issue("localhost", "127.0.0.1", expired=True))
    if not kind:
        with Server(endpoint).connected() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        return
    with pytest.raises(ConnectionFailed) as refused, Server(endpoint).connected():
        pytest.fail("it connected")
    assert refused.value.kind == kind, refused.value.server_message
    assert refused.value.message and refused.value.hint


POOLED_MODES = ("pooler",) * 6
DEMANDS_TLS_OF_POOLER = ("tls_required", *("pooler",) * 5)


@pytest.fixture
def pooler_certificate(servers: ServerPool) -> ServerCertificate:
    return servers.authority.issue("localhost", "127.0.0.1")


@pytest.mark.parametrize(("demand", "kinds"), [("allow", POOLED_MODES), ("require", DEMANDS_TLS_OF_POOLER)])
def test_every_mode_meets_a_pooled_port(
    servers: ServerPool, pooler_certificate: ServerCertificate, demand: str, kinds: tuple[str, ...]
) -> None:
    server = servers.get(17)
    with pooled(server, mode="transaction", certificate=pooler_certificate, demand=demand) as pooler:
        for mode, kind in zip(MODES, kinds, strict=True):
            endpoint = pooler.endpoint(sslmode=mode, ca_file=str(servers.authority.ca_file))
            with pytest.raises(ConnectionFailed) as refused, Server(endpoint).connected():
                pytest.fail("it connected")
            assert refused.value.kind == kind, (mode, refused.value.server_message)
            assert kind == "tls_required" or f"answers at 127.0.0.1:{pooler.port}" in refused.value.message
            assert kind == "tls_required" or f"Type port {server.port} instead of {pooler.port}" in refused.value.hint


def test_every_mode_meets_a_pooled_port_that_keeps_sessions(
    servers: ServerPool, pooler_certificate: ServerCertificate
) -> None:
    server = servers.get(17)
    with pooled(server, certificate=pooler_certificate) as pooler:
        for mode in MODES:
            endpoint = pooler.endpoint(sslmode=mode, ca_file=str(servers.authority.ca_file))
            facts = probe_server(Server(endpoint))
            assert (facts.pooler, facts.tls.in_use) == ("session", mode not in ("disable", "allow")), mode
            (warning,) = warnings_of(facts.as_dict(), side=Side.SOURCE)
            assert warning.startswith("A connection pooler answers here, not PostgreSQL itself. Type port")


def test_a_pooled_port_without_tls(servers: ServerPool) -> None:
    with pooled(servers.get(17), mode="transaction") as pooler:
        for mode, kind in zip(MODES, ("pooler",) * 3 + ("tls_refused",) * 3, strict=True):
            with pytest.raises(ConnectionFailed) as refused, Server(pooler.endpoint(sslmode=mode)).connected():
                pytest.fail("it connected")
            assert refused.value.kind == kind, mode
