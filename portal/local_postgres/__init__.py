"""PostgreSQL servers on this machine: which are installed, and how one cluster is created, started and stopped.

Uses the programs of an installation only, no driver.
"""

from __future__ import annotations

from portal.local_postgres.binaries import Installation, InstallationMissing, client_installation, find, installations
from portal.local_postgres.cluster import Cluster, ClusterError

__all__ = [
    "Cluster",
    "ClusterError",
    "Installation",
    "InstallationMissing",
    "client_installation",
    "find",
    "installations",
]
