"""Two databases that an honest dump and restore made equal, and what the verification says of them."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from migrations_app.engine.control import Control
from migrations_app.engine.events import CheckResult, ObjectVerified
from migrations_app.engine.plan import PartKind, PartPlan, TablePlan
from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.spec import (
    DatabaseSpec,
    MigrationSpec,
    Options,
    RolePolicy,
    Selection,
    Side,
    VerificationLevel,
)
from migrations_app.engine.verification import (
    TableDigest,
    choose_method,
    hash_table,
    read_columns,
    read_traits,
    verify_database,
)
from portal.local_postgres import find
from tests.engine.moving import EventLog
from tests.fixtures.servers import RunningServer

SCHEMA_DIR = Path(__file__).with_name("verification_schema")
ROLES = ("v_alice", "v Bob-ö", "v_carol")


def schema_for(major: int) -> str:
    """Objects of every class that this major knows."""
    files = sorted(SCHEMA_DIR.glob("since_*.sql"))
    return "\n".join(file.read_text() for file in files if int(file.stem.removeprefix("since_")) <= major)


def create_roles(*servers: RunningServer) -> None:
    """Create the roles that the schema names, on every server that has them not yet."""
    for server in servers:
        known = server.psql("SELECT rolname FROM pg_roles").split("\n")
        for role in ROLES:
            if role not in known:
                server.psql(f'CREATE ROLE "{role}"')


def dump_and_restore(source: RunningServer, before: str, target: RunningServer, after: str) -> None:
    """Move a database with PostgreSQL's own tools, the newest there are."""
    tools = find(18)
    dumped = subprocess.run(
        [tools.tool("pg_dump"), "-Fp", "-d", source.cluster.conninfo(database=before)], capture_output=True, check=True
    )
    lines = dumped.stdout.splitlines(keepends=True)
    # A server older than 17 does not know this setting.
    script = b"".join(line for line in lines if not line.startswith(b"SET transaction_timeout"))
    subprocess.run(
        [tools.tool("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", target.cluster.conninfo(database=after)],
        input=script,
        capture_output=True,
        check=True,
    )


@dataclass
class Twins:
    """A source database and its copy."""

    source: RunningServer
    target: RunningServer
    before: str
    after: str
    log: EventLog

    @property
    def servers(self) -> tuple[Server, Server]:
        """Both sides as the engine reaches them."""
        return Server(self.source.endpoint(Side.SOURCE)), Server(self.target.endpoint(Side.TARGET))

    def on_target(self, script: str) -> None:
        """Change the copy."""
        self.target.psql(script, database=self.after)

    def on_source(self, script: str) -> None:
        """Change the original."""
        self.source.psql(script, database=self.before)

    @contextmanager
    def connected(self) -> Iterator[tuple[Connection, Connection]]:
        """Open a connection to each side."""
        source, target = self.servers
        with source.connected(self.before) as one, target.connected(self.after, read_only=False) as other:
            yield one, other

    def verify(
        self,
        *,
        level: VerificationLevel = VerificationLevel.FULL,
        selection: Selection | None = None,
        roles: RolePolicy = RolePolicy.COPY,
        jobs: int = 2,
        target_user: tuple[str, str] | None = None,
    ) -> CheckResult:
        """Take the source's digests and verify; what was found is in ``log``."""
        self.log = EventLog()
        source, target = self.servers
        if target_user:
            user, password = target_user
            target = Server(self.target.endpoint(Side.TARGET, user=user, password=password))
        database = DatabaseSpec("d", self.before, self.after, selection=selection or Selection())
        spec = MigrationSpec("m", "m", source.endpoint, target.endpoint, (database,), options=Options(roles=roles))
        tables, digests = self.digests(level=level, selection=database.selection)
        control = Control(fence=1)
        return verify_database(spec, database, source, target, tables, digests, level, self.log, control, jobs)

    def digests(
        self, *, level: VerificationLevel = VerificationLevel.FULL, selection: Selection | None = None
    ) -> tuple[list[TablePlan], dict[tuple[str, str], TableDigest]]:
        """Hash the source's tables, as the copy does."""
        with self.connected() as (one, other):
            method = choose_method(source=read_traits(one), target=read_traits(other), level=level)
            columns = read_columns(one)
            tables = [table for table in read_tables(one) if (selection or Selection()).takes(table.schema, table.name)]
            return tables, {
                (table.schema, table.name): hash_table(
                    one,
                    schema=table.schema,
                    table=table.name,
                    columns=columns.get((table.schema, table.name), ()),
                    method=method,
                )
                for table in tables
            }

    @property
    def found(self) -> list[ObjectVerified]:
        """Every comparison of the last ``verify``."""
        return [event for event in self.log.events if isinstance(event, ObjectVerified)]

    @property
    def differences(self) -> dict[tuple[str, str], ObjectVerified]:
        """Everything that is not identical, by class and name."""
        return {(event.object_class, event.name): event for event in self.log.differences}


def read_tables(connection: Connection) -> list[TablePlan]:
    """Every table with rows of its own."""
    rows = connection.execute(
        "SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 2, 3"
    )
    whole = (PartPlan(0, PartKind.WHOLE),)
    return [TablePlan(oid, schema, name, (), 0, -1, False, whole) for oid, schema, name in rows]


@contextmanager
def twins(
    source: RunningServer, target: RunningServer, script: str, *, encodings: Sequence[str] = ("UTF8", "UTF8")
) -> Iterator[Twins]:
    """Run ``script`` in a new database of the source and move it to the target."""
    names = [f"twin_{uuid.uuid4().hex[:10]}" for _ in range(2)]
    for server, name, encoding in zip((source, target), names, encodings, strict=True):
        server.psql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        source.psql(script, database=names[0])
        dump_and_restore(source, names[0], target, names[1])
        yield Twins(source, target, *names, log=EventLog())
    finally:
        source.drop_database(names[0])
        target.drop_database(names[1])
