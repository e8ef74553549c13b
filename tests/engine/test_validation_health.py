"""Rules about the health of servers and tables, the network and the time that a migration will take."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.findings import Level
from migrations_app.engine.spec import Side
from migrations_app.engine.validation.rules.network import Sample
from migrations_app.engine.validation.rules.server_health import ClockSample
from portal.local_postgres.unprivileged import identity_for
from tests.engine.validating import drop_role, fires, is_silent, new_role, of_code, only, validated
from tests.fixtures.proxies import throttled
from tests.fixtures.servers import RunningServer, ServerPool

RULES = "migrations_app.engine.validation.rules"


@pytest.fixture
def source(servers: ServerPool) -> RunningServer:
    return servers.get(14, name="validated-source")


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    return servers.get(18, name="validated-target")


@pytest.fixture
def name(source: RunningServer) -> Iterator[str]:
    with source.fresh_database() as created:
        yield created


def test_a_page_with_a_wrong_checksum(servers: ServerPool, target: RunningServer) -> None:
    """The server 18 keeps checksums unless told otherwise."""
    with servers.fresh(18) as source:
        source.create_database("shop")
        source.psql("CREATE TABLE t AS SELECT g FROM generate_series(1, 100) g; CHECKPOINT", database="shop")
        assert not of_code(validated(source, target, "shop"), "PM1070")
        path = Path(source.cluster.data_dir) / source.psql("SELECT pg_relation_filepath('t')", database="shop").strip()
        source.stop()
        with path.open("r+b") as file:
            file.seek(4000)
            file.write(b"damaged")
        source.start()
        with source.connect("shop") as connection, suppress(Exception):
            connection.execute("SELECT count(*) FROM t")
        finding = only(validated(source, target, "shop"), "PM1070")
        assert "shop (1, last at " in finding.saw
        source.psql(finding.fix_sql, database="shop")
        assert not of_code(validated(source, target, "shop"), "PM1070")


AGE = 1_600_000_000


def test_old_transaction_ids(servers: ServerPool, target: RunningServer) -> None:
    """The server's counter is put forward, as so many transactions would take days."""
    with servers.fresh(17, autovacuum_freeze_max_age=2_000_000_000) as source:  # else autovacuum is at once there
        source.create_database("shop")
        assert is_silent(validated(source, target, "shop"), "PM1071")
        _put_forward(source, AGE)
        finding = fires(validated(source, target, "shop"), "PM1071")
        assert "-- database shop\nVACUUM (FREEZE, INDEX_CLEANUP off);" in finding.fix_sql
        for name, first, script in re.findall(r"-- database (\w+)(?: \(first: (.*;).*\))?\n(.*;)", finding.fix_sql):
            source.psql(first)
            source.psql(script, database=name)
        assert is_silent(validated(source, target, "shop"), "PM1071")


def _put_forward(server: RunningServer, next_id: int) -> None:
    """Set the next transaction's number; the file that holds what became of it must be there."""
    data_dir = Path(server.cluster.data_dir)
    owner = data_dir.stat()
    segment = data_dir / "pg_xact" / f"{next_id // 1_048_576:04X}"
    segment.write_bytes(bytes(262_144))
    os.chown(segment, owner.st_uid, owner.st_gid)
    tool = server.cluster.installation.tool("pg_resetwal")
    identity = identity_for(data_dir, bin_dir=server.cluster.installation.bin_dir)
    oldest = server.psql("SELECT min(datfrozenxid::text::int8) FROM pg_database")
    ids = ("--next-transaction-id", str(next_id), "--oldest-transaction-id", oldest)
    server.stop()
    command = identity.command(tool, *ids, "--pgdata", str(data_dir))
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", env={"LC_ALL": "C"})
    assert done.returncode == 0, done.stderr
    server.start()


def test_how_far_a_clock_is_ahead() -> None:
    """What the way there and back may explain counts for nothing."""
    assert ClockSample(100.0, 100.05, 100.1).ahead_seconds == 0
    assert ClockSample(100.0, 103.1, 100.1).ahead_seconds == pytest.approx(3.0)
    assert ClockSample(100.0, 97.0, 100.1).ahead_seconds == pytest.approx(-3.0)


def test_clocks_that_differ(
    source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The portal's clock is put back, as the servers' clocks are the machine's own."""
    assert not of_code(validated(source, target, name), "PM1072")
    real = time.time
    monkeypatch.setattr(f"{RULES}.server_health.time.time", lambda: real() - 60)
    findings = of_code(validated(source, target, name), "PM1072")
    fires(findings, "PM1072")
    assert len(findings) == 2
    assert "s ahead of the portal's." in findings[0].saw


def test_a_server_far_away(source: RunningServer, target: RunningServer, name: str) -> None:
    assert not of_code(validated(source, target, name), "PM1080")
    with far_away(source.port, seconds=0.03) as port:
        endpoint = replace(source.endpoint(Side.SOURCE), port=port)
        finding = only(validated(endpoint, target, name), "PM1080")
    assert finding.subject == f"Source 127.0.0.1:{port}"
    assert "A round trip takes 3" in finding.saw
    assert is_silent(validated(source, target, name), "PM1080")  # the fix: the portal is near the servers


@contextmanager
def far_away(port: int, *, seconds: float) -> Iterator[int]:
    """Listen on a port that leads to ``port``, with ``seconds`` on the way there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, port, seconds), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, port: int, seconds: float) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_pass_on, args=(client, server, seconds), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client, 0), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket, seconds: float) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            time.sleep(seconds)
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


def test_a_slow_link(source: RunningServer, target: RunningServer, name: str) -> None:
    with throttled(source.port, bytes_per_second=1024**2) as port:
        endpoint = replace(source.endpoint(Side.SOURCE), port=port)
        finding = fires(validated(endpoint, target, name), "PM1081")
    assert finding.subject == f"Source 127.0.0.1:{port}"
    assert " MB came in " in finding.saw
    assert is_silent(validated(source, target, name), "PM1081")  # the fix: the portal is near the servers


def test_a_sample_ends_in_time(
    source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{RULES}.network.SAMPLE", "COPY (SELECT pg_sleep(1)) TO STDOUT")
    monkeypatch.setattr(f"{RULES}.network.SAMPLE_SECONDS", 0.2)
    findings = of_code(validated(source, target, name), "PM1081")
    assert {finding.level for finding in findings} == {Level.UNKNOWN}
    assert not of_code(validated(source, target, name), "PM1082")


def test_the_expected_duration(source: RunningServer, target: RunningServer, name: str) -> None:
    finding = only(validated(source, target, name), "PM1082")
    assert finding.level is Level.INFO
    assert "with 4 jobs" in finding.saw
    assert "round trips of " in finding.fix
    assert Sample(10, 2.0).bytes_per_second == 5


COUNTERS = """
CREATE TABLE small (id serial PRIMARY KEY);
CREATE TABLE wide (id bigserial PRIMARY KEY);
CREATE TABLE narrow (id int PRIMARY KEY);
CREATE SEQUENCE narrow_id_seq OWNED BY narrow.id;
CREATE SEQUENCE tickets AS smallint;
CREATE SEQUENCE around AS smallint CYCLE;
CREATE SEQUENCE down INCREMENT -1 MINVALUE -100 MAXVALUE -1;
"""


@pytest.mark.parametrize("major", [10, 14, 18])
def test_numbers_that_run_out(servers: ServerPool, target: RunningServer, major: int) -> None:
    source = servers.get(major, name="validated-source")
    with source.fresh_database() as name:
        source.psql(COUNTERS, database=name)
        source.psql(
            "SELECT setval('small_id_seq', 1000000), setval('tickets', 20000), setval('down', -70)", database=name
        )
        assert not {"PM2050", "PM2051"} & {finding.code for finding in validated(source, target, name)}
        source.psql(
            "SELECT setval('small_id_seq', 2000000000), setval('narrow_id_seq', 1900000000), setval('tickets', 30000),"
            " setval('around', 32000), setval('down', -90), setval('wide_id_seq', 3000000000)",
            database=name,
        )
        findings = validated(source, target, name)
        sequences, keys = of_code(findings, "PM2050"), of_code(findings, "PM2051")
        assert {finding.subject for finding in sequences} == {"Sequence public.tickets", "Sequence public.down"}
        assert {finding.subject for finding in keys} == {"Column public.small.id", "Column public.narrow.id"}
        assert "2,000,000,000 (93%)" in "".join(finding.saw for finding in keys)
        assert fires(findings, "PM2050").level is Level.WARNING
        assert fires(findings, "PM2051").level is Level.WARNING
        for finding in [*sequences, *keys]:
            source.psql(finding.fix_sql if "down" not in finding.subject else "DROP SEQUENCE down", database=name)
        assert not {"PM2050", "PM2051"} & {finding.code for finding in validated(source, target, name)}


def test_sequences_are_read_in_batches(
    source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{RULES}.counters.MAX_BATCH", 2)
    source.psql(
        "DO $$ BEGIN FOR i IN 1..5 LOOP EXECUTE format('CREATE SEQUENCE s%s AS smallint START 32000', i);"
        "PERFORM nextval(format('s%s', i)); END LOOP; END $$",
        database=name,
    )
    assert len(of_code(validated(source, target, name), "PM2050")) == 5


def test_constraints_that_were_never_validated(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql("CREATE TABLE t (id int); ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)", database=name)
    assert not of_code(validated(source, target, name), "PM2052")
    source.psql("ALTER TABLE t ADD CONSTRAINT even CHECK (id % 2 = 0) NOT VALID", database=name)
    finding = only(validated(source, target, name), "PM2052")
    assert finding.saw == "These are even of public.t."
    source.psql(finding.fix_sql, database=name)
    assert not of_code(validated(source, target, name), "PM2052")


def test_empty_space_and_missing_statistics(
    source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of the real bounds are large, so the bounds are moved; what is counted is real."""
    monkeypatch.setattr(f"{RULES}.table_health.LARGE_TABLE_PAGES", 50)
    monkeypatch.setattr(f"{RULES}.table_health.BLOAT_BYTES", 100_000)
    source.psql(
        "CREATE TABLE t AS SELECT g AS id, 'text ' || g AS words FROM generate_series(1, 20000) g", database=name
    )
    findings = validated(source, target, name)
    assert "1 have none, 0 have old ones: public.t" in only(findings, "PM2054").saw
    source.psql(only(findings, "PM2054").fix_sql, database=name)
    assert not {"PM2053", "PM2054"} & {finding.code for finding in validated(source, target, name)}
    source.psql("DELETE FROM t WHERE id % 10 <> 0; VACUUM ANALYZE t", database=name)
    assert "public.t (" in only(validated(source, target, name), "PM2053").saw
    source.psql("VACUUM FULL t; ANALYZE t", database=name)
    assert not of_code(validated(source, target, name), "PM2053")


def test_a_locked_table_is_not_waited_for(source: RunningServer, target: RunningServer, name: str) -> None:
    source.psql("CREATE TABLE t (id int)", database=name)
    with source.connect(name, autocommit=False) as blocker:
        blocker.execute("LOCK TABLE t")
        findings = validated(source, target, name)
        blocker.rollback()
    assert not [finding for finding in findings if finding.level is Level.UNKNOWN]


def test_very_many(source: RunningServer, target: RunningServer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand tables and a hundred databases take minutes to make, so the bounds are moved instead."""
    source.psql("CREATE TABLE a (id int); CREATE TABLE b (id int)", database=name)
    assert not {"PM2055", "PM1083"} & {finding.code for finding in validated(source, target, name)}
    monkeypatch.setattr(f"{RULES}.table_health.MANY_RELATIONS", 1)
    monkeypatch.setattr(f"{RULES}.table_health.MANY_DATABASES", 1)
    findings = validated(source, target, name, "postgres")
    assert only(findings, "PM2055").saw == "2 tables, views and sequences move."
    assert only(findings, "PM1083").saw == "2 databases are part of one migration."
    assert is_silent(validated(source, target, name), "PM1083")  # the fix: several migrations


@pytest.mark.parametrize("major", [10, 15, 18])
def test_a_user_with_few_rights_is_told_and_nothing_breaks(
    servers: ServerPool, target: RunningServer, major: int
) -> None:
    source = servers.get(major, name="validated-source")
    reader, writer = new_role(source), new_role(target)
    with source.fresh_database() as name:
        source.psql(COUNTERS, database=name)
        endpoints = reader.endpoint(source, Side.SOURCE), writer.endpoint(target, Side.TARGET)
        findings = validated(*endpoints, name)
    drop_role(source, reader)
    drop_role(target, writer)
    assert {finding.code for finding in findings if finding.level is Level.UNKNOWN} == {"PM1010"}
