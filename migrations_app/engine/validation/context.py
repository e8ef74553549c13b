"""What rules look at: both servers as they were seen once, and one database with its catalog."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from migrations_app.engine.findings import FindingSide
from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.postgres.queries.reading import ReadFailed, ReadTimedOut, Row, fetch
from migrations_app.engine.probe_databases import by_name, limit_statements, read_databases
from migrations_app.engine.probe_server import probe_server
from migrations_app.engine.probe_values import DatabaseFacts, ServerFacts
from migrations_app.engine.providers import Provider, provider_by_key
from migrations_app.engine.spec import DatabaseSpec, MigrationSpec, Selection
from migrations_app.engine.validation.catalog import (
    CollationRow,
    ExtensionRow,
    OwnerRow,
    RelationRow,
    RoleRow,
    UsedCollationRow,
)

RULE_TIME_LIMIT_SECONDS = 30.0
Answer = TypeVar("Answer")


class Clock:
    """The time that one rule has, however many statements it sends."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._limit = seconds
        self.restart()

    def restart(self) -> None:
        """Begin anew, for the next rule."""
        self._ends_at = time.monotonic() + self.seconds

    def prepare(self, connection: Connection) -> None:
        """Give the next statement what is left of the rule's time. Raises ``ReadTimedOut`` when nothing is left.

        Costs a round trip only where an earlier statement of the rule, or of the rule before, was slow.
        """
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise ReadTimedOut(
                f"The rule used up its {self.seconds:.0f} seconds.",
                hint="Look for a server under heavy load or a slow network; then try again.",
            )
        if abs(left - self._limit) > self.seconds / 10:
            limit_statements(connection, seconds=left)
            self._limit = left


@dataclass(frozen=True)
class SeenServer:
    """A server, its facts, databases and roles, read once for all rules."""

    server: Server
    facts: ServerFacts
    databases: Mapping[str, DatabaseFacts]
    roles: Mapping[str, RoleRow]
    collations: Sequence[CollationRow]

    @property
    def provider(self) -> Provider:
        """Who runs the server."""
        return provider_by_key(self.facts.provider)

    @property
    def side(self) -> FindingSide:
        """Which of the two servers it is, for findings about either."""
        return FindingSide(self.server.endpoint.side)

    @property
    def label(self) -> str:
        """``user@host:port``."""
        return self.server.endpoint.label

    @property
    def user(self) -> str:
        """The role that is logged in."""
        return self.facts.privileges.user

    @property
    def superuser(self) -> bool:
        """Tell whether the user is a superuser."""
        return self.facts.privileges.superuser

    @property
    def name(self) -> str:
        """``Source host:port``, the subject of findings about the whole server."""
        return f"{self.server.endpoint.side.capitalize()} {self.facts.label}"

    @contextmanager
    def connected(self, database: str | None = None) -> Iterator[Connection]:
        """Open a connection for a rule, whose statements end after the rule's time limit."""
        with self.server.connected(database, purpose="validate") as connection:
            limit_statements(connection, seconds=RULE_TIME_LIMIT_SECONDS)
            yield connection


def see(server: Server) -> SeenServer:
    """Look at ``server``. Raises ``ConnectionFailed``, ``ConnectionLost`` or ``ReadFailed``."""
    facts = probe_server(server)
    with server.connected(purpose="validate") as connection:
        limit_statements(connection, seconds=RULE_TIME_LIMIT_SECONDS)
        return SeenServer(
            server=server,
            facts=facts,
            databases=by_name(read_databases(connection, host=server.endpoint.host)),
            roles={role.name: role for role in fetch(connection, "validation_roles", RoleRow)},
            collations=fetch(connection, "validation_known_collations", CollationRow),
        )


@dataclass(frozen=True)
class ServerContext:
    """Both servers and the specification; rules of this scope look at no single database's catalog."""

    spec: MigrationSpec
    source: SeenServer
    target: SeenServer
    _answers: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, question: Hashable, ask: Callable[[], Answer]) -> Answer:
        """Return what ``ask`` returned when ``question`` was put first: most databases ask the target the same.

        Two databases at the same time may both ask, which costs a connection and does no harm.
        """
        if question not in self._answers:
            self._answers[question] = ask()
        answer: Answer = self._answers[question]
        return answer

    @property
    def source_databases(self) -> list[tuple[DatabaseSpec, DatabaseFacts]]:
        """The databases to move that exist on the source."""
        seen = self.source.databases
        return [
            (database, seen[database.source_name]) for database in self.spec.databases if database.source_name in seen
        ]

    def existing_target(self, database: DatabaseSpec) -> DatabaseFacts | None:
        """Return the target's database of that name, if there is one."""
        return self.target.databases.get(database.target_name)


@dataclass(frozen=True)
class DatabaseContext:
    """One source database, open, and what is known of the servers."""

    servers: ServerContext
    database: DatabaseSpec
    connection: Connection
    clock: Clock = field(default_factory=lambda: Clock(RULE_TIME_LIMIT_SECONDS))
    _failures: dict[str, ReadFailed] = field(default_factory=dict)

    @property
    def source(self) -> SeenServer:
        """The source server."""
        return self.servers.source

    @property
    def target(self) -> SeenServer:
        """The target server."""
        return self.servers.target

    @property
    def facts(self) -> DatabaseFacts:
        """The database as the source's catalog shows it."""
        return self.source.databases[self.database.source_name]

    @cached_property
    def selection(self) -> Selection:
        """What moves: what was chosen, and nothing of the schemas that are the source provider's own."""
        chosen = self.database.selection
        return replace(chosen, exclude_schemas=(*chosen.exclude_schemas, *self.source.provider.schemas))

    @cached_property
    def relations(self) -> list[RelationRow]:
        """The relations that are part of the migration; nothing of extensions but their users' data."""
        rows = self._read_once("validation_relations", RelationRow)
        return [row for row in rows if self.takes(row.schema, row.name)]

    @cached_property
    def tables(self) -> list[RelationRow]:
        """The ordinary and partitioned tables of the migration."""
        return [row for row in self.relations if row.kind in "rp"]

    @cached_property
    def extensions(self) -> list[ExtensionRow]:
        """The extensions of the database."""
        return self._read_once("validation_extensions", ExtensionRow)

    @cached_property
    def collations(self) -> list[UsedCollationRow]:
        """The collations that are user-defined or used by something, without those in a provider's own schemas."""
        own = self.source.provider.owns_schema
        return [row for row in self._read_once("validation_collations", UsedCollationRow) if not own(row.schema)]

    @cached_property
    def owners(self) -> list[OwnerRow]:
        """The roles that own something, or were granted something."""
        return self._read_once("validation_owners", OwnerRow)

    def has_extension(self, name: str) -> bool:
        """Tell whether the database has the extension."""
        return any(extension.name == name for extension in self.extensions)

    def takes(self, schema: str, table: str) -> bool:
        """Tell whether ``schema.table`` is part of the migration."""
        return self.selection.takes(schema, table)

    def rows(self, name: str, into: type[Row], /, **parameters: Any) -> list[Row]:
        """Return the rows of the query ``name`` in this database, within the rule's time."""
        self.clock.prepare(self.connection)
        return fetch(self.connection, name, into, **parameters)

    def row(self, name: str, into: type[Row], /, **parameters: Any) -> Row:
        """Return the only row of the query ``name`` in this database, within the rule's time."""
        (row,) = self.rows(name, into, **parameters)
        return row

    def _read_once(self, name: str, into: type[Row]) -> list[Row]:
        """Read what several rules share; a query that took too long is not tried again for each of them."""
        if name in self._failures:
            raise self._failures[name]
        try:
            return self.rows(name, into)
        except ReadFailed as error:
            self._failures[name] = error
            raise
