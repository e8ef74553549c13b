"""An independent look whether every row of every table is the same on two servers."""

from __future__ import annotations

from tests.fixtures.servers import RunningServer

TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'shop', 'Sp ace')"
    " ORDER BY 1"
)
ROWS = "SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} AS t"


def contents(server: RunningServer, database: str) -> dict[str, str]:
    """Return number and digest of the rows of each table."""
    names = server.psql(TABLES, database=database).splitlines()
    return {name: server.psql(ROWS.replace("{}", name), database=database) for name in names}
