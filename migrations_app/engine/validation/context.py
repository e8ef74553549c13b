"""What rules look at: both servers as they were seen once, and one database with its catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

from migrations_app.engine.postgres import Connection, Server
from migrations_app.engine.postgres.queries.reading import Row, fetch
from migrations_app.engine.probe_databases import by_name, limit_statements, read_databases
from migrations_app.engine.probe_server import probe_server
from migrations_app.engine.probe_values import DatabaseFacts, ServerFacts
from migrations_app.engine.providers import Provider, provider_by_key
from migrations_app.engine.spec import DatabaseSpec, MigrationSpec
from migrations_app.engine.validation.catalog import CollationRow, ExtensionRow, RelationRow, RoleRow

RULE_TIME_LIMIT_SECONDS = 30.0


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

    def connected(self) -> AbstractContextManager[Connection]:
        """Open a connection for a rule."""
        return self.server.connected(purpose="validate")


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
    def relations(self) -> list[RelationRow]:
        """The relations that are part of the migration; nothing of extensions but their users' data."""
        takes = self.database.selection.takes
        return [
            row for row in fetch(self.connection, "validation_relations", RelationRow) if takes(row.schema, row.name)
        ]

    @cached_property
    def tables(self) -> list[RelationRow]:
        """The ordinary and partitioned tables of the migration."""
        return [row for row in self.relations if row.kind in "rp"]

    @cached_property
    def extensions(self) -> list[ExtensionRow]:
        """The extensions of the database."""
        return fetch(self.connection, "validation_extensions", ExtensionRow)

    def rows(self, name: str, into: type[Row]) -> list[Row]:
        """Return the rows of the query ``name`` in this database."""
        return fetch(self.connection, name, into)
