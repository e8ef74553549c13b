"""Build a sample database worth looking at, from a seed: an outdoor shop that uses most of what PostgreSQL offers.

The SQL is in ``sample_sql``; psql runs it in one transaction and leaves out what the server's version does not have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from portal.local_postgres import client_installation

Size = Literal["small", "medium", "large"]

SQL_DIR = Path(__file__).parent / "sample_sql"
SCALES: dict[Size, int] = {"small": 1, "medium": 18, "large": 800}
COUNT_OBJECTS = """
SELECT json_build_object(
    'server_version', current_setting('server_version'),
    'database', current_database(),
    'tables', (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace IN (SELECT oid FROM ours)),
    'rows', (SELECT sum(reltuples)::bigint FROM pg_class
             WHERE relkind = 'r' AND reltuples > 0 AND relnamespace IN (SELECT oid FROM ours)),
    'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
    'size_bytes', pg_database_size(current_database()))
FROM (SELECT 1) AS once
"""
OURS = "WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')"


class SampleFailed(Exception):
    """The sample database could not be built; the message is psql's. Nothing of it was kept."""


@dataclass(frozen=True)
class SampleSummary:
    """What was built. ``tables`` counts partitions, not their parents; ``rows`` all of their rows."""

    server_version: str
    database: str
    size: Size
    seed: int
    tables: int
    rows: int
    large_objects: int
    size_bytes: int
    elapsed_seconds: float


def build_sample(connection: Any, size: Size = "medium", seed: int = 42, *, role_password: str = "") -> SampleSummary:
    """Fill an empty database and return what it holds now. Raises ``SampleFailed``.

    ``connection`` is a libpq connection string or URL, or an open psycopg connection, of a user who may create roles.
    The roles shop_owner, shop_reader, shop_app, shop_analyst, stock_manager and one with an unusual name are created
    where they are missing; ``role_password`` lets shop_app and shop_analyst log in.
    """
    started = time.monotonic()
    dsn, password = _address(connection)
    _psql(dsn, password, _script(size, seed=seed, role_password=role_password), "--single-transaction")
    _psql(dsn, password, "VACUUM ANALYZE;\n")
    counted = json.loads(_psql(dsn, password, f"{OURS}{COUNT_OBJECTS};\n"))
    return SampleSummary(size=size, seed=seed, elapsed_seconds=round(time.monotonic() - started, 1), **counted)


def _script(size: Size, *, seed: int, role_password: str) -> str:
    files = sorted(SQL_DIR.glob("*.sql"))
    variables = {"k": SCALES[size], "seed": seed, "role_password": role_password}
    lines = [f"\\set {name} {_quoted(str(value))}" for name, value in variables.items()]
    return "\n".join([*lines, "\\o /dev/null", *(f"\\i {_quoted(str(file))}" for file in files), ""])


def _quoted(word: str) -> str:
    """Quote a word for a psql command."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def _address(connection: Any) -> tuple[str, str]:
    """Return a connection string and a password, which must not be on psql's command line."""
    if isinstance(connection, str):
        return connection, ""
    return connection.info.dsn, connection.info.password


def _psql(dsn: str, password: str, script: str, *options: str) -> str:
    """Run a script with psql. A password inside ``dsn`` is visible to this machine's users: give it by PGPASSWORD."""
    psql = client_installation().tool("psql")
    command = [str(psql), "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", *options, "-f", "-", "-d", dsn]
    environment = {**os.environ, "PGCLIENTENCODING": "UTF8"} | ({"PGPASSWORD": password} if password else {})
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise SampleFailed(done.stderr.strip())
    return done.stdout


def main() -> int:
    """Command line: ``python -m portal.demo.sample --dsn … --size medium``."""
    parser = argparse.ArgumentParser(description="Build the sample database.")
    parser.add_argument("--dsn", required=True, help="connection string of an empty database; password by PGPASSWORD")
    parser.add_argument("--size", choices=get_args(Size), default="medium")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    try:
        summary = build_sample(arguments.dsn, arguments.size, arguments.seed)
    except SampleFailed as error:
        print(f"The sample database was not built. {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(summary), indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
