"""The portal's own PostgreSQL server, used unless DATABASE_URL names another."""

from __future__ import annotations

from portal.launcher.console import LauncherError, log
from portal.local_postgres import Cluster, ClusterError, find
from portal.places import POSTGRES_MAJOR, POSTGRES_USER, Places

SERVER_SETTINGS: dict[str, object] = {
    "max_connections": 200,
    "shared_buffers": "64MB",
    "log_min_duration_statement": "2s",
}
# Nobody is trusted, not even on the socket: a program of this user that is misled there must not be superuser.
HBA = ("local all all scram-sha-256",)
STOP_TIMEOUT_SECONDS = 15


def embedded_cluster(places: Places) -> Cluster:
    """Return the cluster, which may not exist yet."""
    return Cluster(
        places.postgres_dir,
        find(POSTGRES_MAJOR),
        socket_dir=places.postgres_socket_dir,
        superuser=POSTGRES_USER,
        password=places.postgres_password_file.read_text(encoding="ascii").strip(),
        hba=HBA,
        settings=SERVER_SETTINGS,
    )


def start(cluster: Cluster) -> None:
    """Create the cluster at the first start, start it, create the database. Raises ``LauncherError``."""
    try:
        if not cluster.exists():
            log("creating the portal's database server")
            cluster.create()
        elif cluster.trusts_anybody():
            set_password(cluster)
        if not cluster.is_running():
            log(f"starting PostgreSQL {cluster.installation.version}")
            cluster.start()
        if not lets_in(cluster):
            set_password(cluster)
            cluster.start()
        create_database(cluster)
    except ClusterError as error:
        raise LauncherError(f"The portal's own database server does not start.\n{error}") from error


def lets_in(cluster: Cluster) -> bool:
    """Tell whether the password is the server's; it is not where data and secrets were restored from two backups."""
    try:
        cluster.psql("SELECT 1")
    except ClusterError as error:
        if "password authentication failed" in str(error):
            return False
        raise
    return True


def set_password(cluster: Cluster) -> None:
    """Make the generated password the server's, without logging in to it; it is stopped for that."""
    log("setting the password of the portal's database server")
    cluster.stop()
    cluster.set_password()


def create_database(cluster: Cluster) -> None:
    """Create the portal's database unless it is there."""
    if not cluster.psql("SELECT 1 FROM pg_database WHERE datname = 'portal'"):
        cluster.psql("CREATE DATABASE portal")


def stop(cluster: Cluster) -> None:
    """Stop the server; at once, with recovery at the next start, if it takes too long."""
    try:
        cluster.stop(timeout_seconds=STOP_TIMEOUT_SECONDS)
    except ClusterError:
        log("PostgreSQL did not stop in time; stopping it at once")
        cluster.stop("immediate")
