"""The demo's migration, made with the same services as the wizard's."""

from __future__ import annotations

from django.contrib.auth.models import User

from migrations_app.engine.spec import Side
from migrations_app.models import Migration
from migrations_app.services.connection_test import test_connection
from migrations_app.services.drafts import (
    DatabaseChoice,
    EndpointValues,
    OptionValues,
    draft_create,
    draft_set_databases,
    draft_set_endpoint,
    draft_set_options,
)
from migrations_app.services.offered_databases import read_offer
from migrations_app.services.runs import migration_start
from portal.demo.servers import HOST, SampleServer

BASE_NAME = "demo"


def start_migration(source: SampleServer, target: SampleServer, *, database: str, actor: User) -> Migration:
    """Create and start it. A database of that name on the demo's own target is overwritten. Raises ``EngineError``."""
    migration = draft_create(name=free_name(), actor=actor)
    for side, server in ((Side.SOURCE, source), (Side.TARGET, target)):
        row = draft_set_endpoint(migration, side=side, values=endpoint_values(server), actor=actor)
        test_connection(row, side, migration=migration, actor=actor)
    migration.refresh_from_db()
    offer = read_offer(migration)
    choice = DatabaseChoice(database, database, overwrite=database in offer.target, facts=offer.source[database])
    draft_set_databases(migration, databases=[choice], actor=actor)
    draft_set_options(migration, options=OptionValues(), actor=actor)
    migration_start(migration.pk, actor=actor)
    return migration


def endpoint_values(server: SampleServer) -> EndpointValues:
    """Return how the portal reaches a sample server: over TCP, with password, and with TLS where the server has it."""
    return EndpointValues(
        host=HOST,
        port=server.port,
        username=server.user,
        password=server.password,
        sslmode=server.sslmode,
        ca_certificate=server.ca_file.read_text(encoding="ascii") if server.ca_file else "",
    )


def free_name() -> str:
    """Return ``demo``, or ``demo-2`` and so on after earlier ones."""
    taken = set(Migration.objects.filter(name__startswith=BASE_NAME).values_list("name", flat=True))
    names = (BASE_NAME, *(f"{BASE_NAME}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
