"""The data set that every tool moves: made by seeded SQL, the same on every machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from migrations_app.engine.postgres import Connection, Server, sql

DATABASE = "bench"
FOLDER = Path(__file__).parent / "dataset"
FILES = ("pgbench", "wide", "toasty", "small_tables", "partitioned", "large_objects")


@dataclass(frozen=True)
class Size:
    """How many rows of each kind; ``medium`` is about 2 GB with its indexes."""

    accounts: int
    wide: int
    toasty: int
    small_tables: int
    partition_rows: int
    large_objects: int


SIZES = {
    "tiny": Size(accounts=2_000, wide=500, toasty=20, small_tables=10, partition_rows=50, large_objects=5),
    "small": Size(accounts=600_000, wide=150_000, toasty=500, small_tables=300, partition_rows=5_000, large_objects=30),
    "medium": Size(
        accounts=6_000_000, wide=1_500_000, toasty=5_000, small_tables=300, partition_rows=50_000, large_objects=300
    ),
    "large": Size(
        accounts=30_000_000, wide=7_500_000, toasty=25_000, small_tables=300, partition_rows=250_000, large_objects=1500
    ),
}


def make(server: Server, size: Size) -> None:
    """Create the database ``bench`` on the server and fill it, unless it is there already."""
    with server.connected(read_only=False) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            return
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with server.connected(DATABASE, read_only=False) as connection:
        connection.execute("SET search_path = public")
        for name in FILES:
            _run_file(connection, name, size)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def size_bytes(server: Server) -> int:
    """Return the size of the database ``bench``."""
    with server.connected() as connection:
        row = connection.execute("SELECT pg_database_size(%s)", [DATABASE]).fetchone()
    return int(row[0]) if row else 0


def _run_file(connection: Connection, name: str, size: Size) -> None:
    numbers = {key: sql.Literal(value) for key, value in asdict(size).items()}
    statements = (FOLDER / f"{name}.sql").read_text()
    with connection.transaction():
        connection.execute(sql.SQL(statements).format(**numbers))
