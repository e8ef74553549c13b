"""The sample database on the demo's source server: built once, marked when complete, used again."""

from __future__ import annotations

from portal.demo.sample import Size, build_sample
from portal.demo.servers import SampleServer

SAMPLE_DATABASE = "outdoor_shop"
SEED = 42

FIND = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'outdoor_shop'"
DROP = "DROP DATABASE IF EXISTS outdoor_shop WITH (FORCE)"
CREATE = "CREATE DATABASE outdoor_shop"
SIZE = "SELECT pg_size_pretty(pg_database_size('outdoor_shop'))"
MARK: dict[Size, str] = {
    "small": "COMMENT ON DATABASE outdoor_shop IS 'Sample of the migration portal, small'",
    "medium": "COMMENT ON DATABASE outdoor_shop IS 'Sample of the migration portal, medium'",
    "large": "COMMENT ON DATABASE outdoor_shop IS 'Sample of the migration portal, large'",
}


def is_built(server: SampleServer, *, size: Size) -> bool:
    """Tell whether the sample of this size is there, complete."""
    marked = server.cluster.psql(FIND)
    return bool(marked) and marked in MARK[size]


def build(server: SampleServer, *, size: Size) -> str:
    """Build the sample unless it is there; return its size in words. Raises ``ClusterError``, ``SampleFailed``."""
    if not is_built(server, size=size):
        server.cluster.psql(DROP)
        server.cluster.psql(CREATE)
        address = server.cluster.conninfo(database=SAMPLE_DATABASE)
        build_sample(address, size, SEED, role_password=server.password)
        server.cluster.psql(MARK[size])
    return server.cluster.psql(SIZE)
