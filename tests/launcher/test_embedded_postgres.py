"""The portal's own database server demands a password on its socket, also where an earlier version trusted it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from portal.launcher import embedded_postgres
from portal.launcher.keys import make_missing_keys
from portal.local_postgres import Cluster
from portal.places import POSTGRES_USER, Places
from tests.fixtures.session import worker_dir


@pytest.fixture
def places() -> Iterator[Places]:
    places = Places(Path(tempfile.mkdtemp(prefix="embedded-", dir=worker_dir())))
    places.run_dir.mkdir()
    for folder in (places.var_dir, places.run_dir):
        folder.chmod(0o711)
    make_missing_keys(places)
    yield places
    embedded_postgres.embedded_cluster(places).destroy()
    shutil.rmtree(places.var_dir)


def log_in(cluster: Cluster, *, password: str | None) -> None:
    psycopg.connect(cluster.conninfo(), password=password, passfile="/nonexistent").close()


def assert_only_the_password_opens(cluster: Cluster) -> None:
    log_in(cluster, password=cluster.password)
    for wrong in (None, "guessed"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            log_in(cluster, password=wrong)


def test_a_new_server_lets_nobody_in_without_its_password(places: Places) -> None:
    cluster = embedded_postgres.embedded_cluster(places)
    embedded_postgres.start(cluster)
    assert_only_the_password_opens(cluster)
    assert cluster.password not in cluster.log_file.read_text()


@pytest.mark.parametrize("left_running", [False, True])
def test_a_server_of_an_earlier_version_gets_a_password(places: Places, left_running: bool) -> None:
    before = Cluster(
        places.postgres_dir,
        embedded_postgres.embedded_cluster(places).installation,
        socket_dir=places.postgres_socket_dir,
        superuser=POSTGRES_USER,
    )
    before.create()
    before.start()
    before.psql("CREATE DATABASE portal")
    before.psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)", database="portal")
    if not left_running:
        before.stop()
    cluster = embedded_postgres.embedded_cluster(places)
    embedded_postgres.start(cluster)
    assert_only_the_password_opens(cluster)
    assert cluster.psql("SELECT n FROM kept", database="portal") == "7"


def test_a_password_that_was_made_anew_becomes_the_servers(places: Places) -> None:
    first = embedded_postgres.embedded_cluster(places)
    embedded_postgres.start(first)
    first.stop()
    places.postgres_password_file.unlink()
    make_missing_keys(places)
    later = embedded_postgres.embedded_cluster(places)
    assert later.password != first.password
    embedded_postgres.start(later)
    assert_only_the_password_opens(later)
