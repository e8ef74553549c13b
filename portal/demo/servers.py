"""The two sample servers of ``./run demo``: PostgreSQL 17 with TLS, PostgreSQL 18 without; both demand SCRAM."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from portal.local_postgres import Cluster, find
from portal.local_postgres.tls import Authority, ServerCertificate
from portal.places import Places

HOST = "127.0.0.1"
SERVER_SETTINGS: dict[str, object] = {"shared_buffers": "64MB", "max_wal_size": "512MB", "max_connections": 100}


@dataclass(frozen=True)
class Kind:
    """What a sample server is."""

    name: str
    major: int
    tls: bool


SOURCE = Kind("source", major=17, tls=True)
TARGET = Kind("target", major=18, tls=False)


@dataclass(frozen=True)
class Facts:
    """What was made up for a sample server the first time; kept in a 0600 file.

    ``certificate`` is the name of the certificate's files without their ending.
    """

    port: int
    password: str
    certificate: str = ""


@dataclass(frozen=True)
class SampleServer:
    """A sample server and how to log in to it. ``ca_file`` is None where there is no TLS."""

    cluster: Cluster
    user: str
    password: str
    ca_file: Path | None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self.cluster.socket_port

    @property
    def sslmode(self) -> str:
        """The strictest mode that the server supports."""
        return "verify-full" if self.ca_file else "disable"

    @property
    def title(self) -> str:
        """What it is, for a person."""
        tls = "TLS and SCRAM" if self.ca_file else "SCRAM"
        return f"PostgreSQL {self.cluster.installation.version} at {HOST}:{self.port} with {tls}"


def start_sample_servers(places: Places) -> tuple[SampleServer, SampleServer]:
    """Create what is missing, start source and target and return them. Raises ``ClusterError``."""
    places.demo_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    return _start(places, SOURCE), _start(places, TARGET)


def sample_clusters(places: Places) -> list[Cluster]:
    """Return the clusters of the sample servers that were made once."""
    kept = {kind: _read_facts(places, kind) for kind in (SOURCE, TARGET)}
    return [_server(places, kind, facts).cluster for kind, facts in kept.items() if facts]


def _start(places: Places, kind: Kind) -> SampleServer:
    facts = _read_facts(places, kind) or _new_facts(places, kind)
    server = _server(places, kind, facts)
    if server.cluster.is_running():
        return server
    if not _is_free(facts.port):
        facts = replace(facts, port=_free_port())
        server = _server(places, kind, facts)
    _write_facts(places, kind, facts)
    if not server.cluster.exists():
        server.cluster.create()
    server.cluster.start()
    return server


def _server(places: Places, kind: Kind, facts: Facts) -> SampleServer:
    certificate = _certificate(places, facts) if facts.certificate else None
    cluster = Cluster(
        places.demo_dir / kind.name,
        find(kind.major, tls=kind.tls),
        port=facts.port,
        socket_dir=places.socket_dir(f"demo-{kind.name}"),
        settings=SERVER_SETTINGS,
        password=facts.password,
        tls=certificate,
    )
    return SampleServer(cluster, cluster.superuser, facts.password, certificate.ca_file if certificate else None)


def _certificate(places: Places, facts: Facts) -> ServerCertificate:
    folder = places.demo_dir / "certificates"
    stem = folder / facts.certificate
    return ServerCertificate(stem.with_suffix(".crt"), stem.with_suffix(".key"), folder / "ca.crt")


def _new_facts(places: Places, kind: Kind) -> Facts:
    stem = ""
    if kind.tls:
        authority = Authority(places.demo_dir / "certificates", name="Migration Portal demo")
        stem = authority.issue(HOST, "localhost").certificate_file.stem
    return Facts(port=_free_port(), password=secrets.token_urlsafe(18), certificate=stem)


def _facts_file(places: Places, kind: Kind) -> Path:
    return places.demo_dir / f"{kind.name}.json"


def _read_facts(places: Places, kind: Kind) -> Facts | None:
    try:
        return Facts(**json.loads(_facts_file(places, kind).read_text(encoding="ascii")))
    except FileNotFoundError:
        return None


def _write_facts(places: Places, kind: Kind, facts: Facts) -> None:
    file = _facts_file(places, kind)
    partial = file.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as stream:
        json.dump(asdict(facts), stream)
    partial.rename(file)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
