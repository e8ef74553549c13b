"""Two databases of one schema, and the portal's own apply engine between them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from migrations_app.engine.control import Control
from migrations_app.engine.postgres import Server
from migrations_app.engine.replication.apply import ApplyState, ApplyStatus
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.through_portal import MEMORY_BYTES, ThroughPortal
from migrations_app.engine.spec import Side
from tests.fixtures.servers import RunningServer

MARKER = "CREATE TABLE public.zz_marker (id int PRIMARY KEY);"
PATIENCE_SECONDS = 60.0
SEES_ALL = "SET row_security = off"
ROWS = 'SELECT t::text FROM {} AS t ORDER BY t::text COLLATE "C"'


@dataclass
class Followed:
    """A database that is followed. ``write`` changes it, ``assert_same`` proves that the other one is equal."""

    source: RunningServer
    target: RunningServer
    source_database: str
    target_database: str
    link: Link
    engine: ThroughPortal
    control: Control
    on_source: psycopg.Connection[tuple[Any, ...]]
    on_target: psycopg.Connection[tuple[Any, ...]]
    markers: int = 0

    def write(self, *statements: str) -> None:
        """Run statements on the source, each in a transaction of its own unless it says otherwise."""
        for statement in statements:
            self.on_source.execute(statement.encode(self.link.codec))

    def catch_up(self, seconds: float = PATIENCE_SECONDS) -> ApplyStatus:
        """Wait until all that was written is applied; fail where the engine is broken."""
        self.markers += 1
        self.on_source.execute("INSERT INTO public.zz_marker VALUES (%s)", (self.markers,))
        wanted = (self.markers,)
        self.until(lambda: self.on_target.execute("SELECT max(id) FROM public.zz_marker").fetchone() == wanted, seconds)
        return self.engine.status()

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a condition; fail at once where the engine is broken."""
        deadline = time.monotonic() + seconds
        while not condition():
            status = self.engine.status()
            assert status.state is not ApplyState.BROKEN, status
            assert time.monotonic() < deadline, status
            time.sleep(0.02)

    def broken(self, seconds: float = PATIENCE_SECONDS) -> ApplyStatus:
        """Wait until the engine gave up, and return what it says."""
        deadline = time.monotonic() + seconds
        while (status := self.engine.status()).state is not ApplyState.BROKEN:
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def rows(self, side: psycopg.Connection[tuple[Any, ...]], table: str) -> list[Any]:
        """Return the rows of a table as bytes, in the order of their bytes."""
        with side.cursor(binary=True) as cursor:
            return cursor.execute(ROWS.replace("{}", table).encode(self.link.codec)).fetchall()

    def assert_same(self, *tables: str) -> None:
        """Compare every row, NULLs and duplicates too."""
        self.catch_up()
        for table in tables or self.tables():
            ours, theirs = self.rows(self.on_source, table), self.rows(self.on_target, table)
            assert ours == theirs, (table, len(ours), len(theirs), list(zip(ours, theirs, strict=False))[:3])

    def tables(self) -> list[str]:
        """Return the quoted names of all ordinary tables of the user's."""
        query = (
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname NOT IN ('information_schema', '_migration_portal')"
        )
        return [row[0] for row in self.on_source.execute(query)]

    def another_engine(self, *, fence: int | None = None, memory_bytes: int = MEMORY_BYTES) -> ThroughPortal:
        """Return the engine of a later run."""
        self.link = replace(self.link, fence=fence if fence is not None else self.link.fence + 1)
        self.engine = ThroughPortal(self.link, control=self.control, memory_bytes=memory_bytes)
        return self.engine

    def applied_counts(self) -> dict[str, int | None]:
        """Return the engine's counters, without our own markers."""
        status = self.engine.status()
        counts = {kind: getattr(status, kind) for kind in ("inserts", "updates", "deletes", "truncates")}
        return counts | {"inserts": (counts["inserts"] or 0) - self.markers}


@contextmanager
def followed(
    source: RunningServer,
    target: RunningServer,
    schema: str,
    *,
    encoding: str = "UTF8",
    codec: str = "utf-8",
    publish: str = "FOR ALL TABLES",
    start: bool = True,
    target_schema: str | None = None,
    target_user: str | None = None,
    memory_bytes: int = MEMORY_BYTES,
    rows: str = "",
    streaming: bool = False,
) -> Iterator[Followed]:
    """Make the schema on both servers (with ``rows`` as the copy), the slot, and an engine that runs."""
    name = f"pgmig_{uuid.uuid4().hex[:8]}"
    control = Control(fence=1)
    with _database(source, f"{name}_s", encoding) as database, _database(target, f"{name}_t", encoding) as other:
        with source.connect(database) as on_source, target.connect(other) as on_target:
            for connection, text in ((on_source, schema), (on_target, target_schema or schema)):
                connection.execute(SEES_ALL)
                connection.execute(sql.SQL("SET client_encoding = {}").format(encoding))
                connection.execute((MARKER + text + rows).encode(codec))
            on_source.execute(f"CREATE PUBLICATION {name} {publish}")
            on_source.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
            link = Link(
                publisher=Server(source.endpoint(Side.SOURCE), tag=f"pgmig/{name}/1", control=control),
                publisher_database=database,
                subscriber=Server(_target(target, target_user), tag=f"pgmig/{name}/1", control=control),
                subscriber_database=other,
                name=name,
                tables=(),
                fence=1,
                encoding=encoding,
                codec=codec,
            )
            engine = ThroughPortal(link, control=control, memory_bytes=memory_bytes, streaming=streaming)
            made = Followed(source, target, database, other, link, engine, control, on_source, on_target)
            try:
                if start:
                    engine.start()
                yield made
            finally:
                made.engine.stop()
                engine.stop()
        _drop_slot(source, name)


def _target(target: RunningServer, user: str | None) -> Any:
    endpoint = target.endpoint(Side.TARGET)
    return replace(endpoint, user=user, password="secret") if user else endpoint


@contextmanager
def _database(server: RunningServer, name: str, encoding: str) -> Iterator[str]:
    with server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'").format(
                sql.Identifier(name), encoding
            )
        )
    try:
        yield name
    finally:
        if server.cluster.is_running():
            _drop_slot(server, name.removesuffix("_s"))
            server.drop_database(name)


def _drop_slot(server: RunningServer, name: str) -> None:
    """Drop the slot; a walsender of a stopped engine may need a moment to notice."""
    if not server.cluster.is_running():
        return
    deadline = time.monotonic() + 30
    with server.connect() as connection:
        while connection.execute("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", (name,)).fetchone():
            try:
                connection.execute(
                    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s", (name,)
                )
                connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))
            except psycopg.errors.ObjectInUse:
                assert time.monotonic() < deadline
                time.sleep(0.05)
