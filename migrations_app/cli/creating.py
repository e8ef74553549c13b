"""Create a draft through the wizard's own services, or leave nothing behind."""

from __future__ import annotations

import difflib
from typing import Any

from django.db import IntegrityError, transaction

from migrations_app.cli.exits import CommandFailed
from migrations_app.cli.operating_person import record
from migrations_app.cli.passwords import password_for
from migrations_app.cli.request import DEFAULT_PORT, DEFAULT_USER, MigrationRequest, ServerRequest
from migrations_app.engine.errors import EngineError, ModeNotPossible
from migrations_app.engine.spec import MigrationOption
from migrations_app.models import Migration, SavedConnection, SslMode
from migrations_app.services.connection_test import test_connection
from migrations_app.services.credentials import open_password
from migrations_app.services.drafts import (
    DatabaseChoice,
    EndpointValues,
    draft_create,
    draft_delete,
    draft_set_databases,
    draft_set_endpoint,
    draft_set_options,
)
from migrations_app.services.offered_databases import Offer, is_same_server, read_offer


def create(request: MigrationRequest) -> Migration:
    """Create the draft, test both servers, choose the databases. Raises ``CommandFailed``, and then nothing is left."""
    endpoints = {server.side: endpoint_values(server) for server in (request.source, request.target)}
    migration = _new_draft(request)
    try:
        record(migration, "Created")
        for side, values in endpoints.items():
            row = draft_set_endpoint(migration, side=side, values=values)
            test_connection(row, side, migration=migration)
        offer = read_offer(migration)
        databases = [_with_facts(choice, offer=offer) for choice in request.databases]
        _check_targets(request, offer=offer, same_server=is_same_server(migration))
        draft_set_databases(migration, databases=databases)
        draft_set_options(migration, options=request.options)
    except EngineError as error:
        draft_delete(migration)
        raise CommandFailed(error.message, hint=error.hint, server_message=error.server_message) from error
    except BaseException:
        draft_delete(migration)
        raise
    return migration


def endpoint_values(server: ServerRequest) -> EndpointValues:
    """What to store for a server: what was given, else what the saved connection has, else defaults."""
    saved = _saved_connection(server)
    host, user = server.host or (saved.host if saved else ""), server.user or (saved.username if saved else "")
    password = (
        open_password(saved)
        if saved and saved.sealed_password and server.host is None and server.user is None
        else password_for(
            server.side, from_file=server.imported.password if server.imported else None, label=f"{user}@{host}"
        )
    )
    return EndpointValues(
        host=host,
        port=server.port or (saved.port if saved else DEFAULT_PORT),
        username=user or DEFAULT_USER,
        password=password,
        sslmode=server.sslmode or (saved.sslmode if saved else SslMode.PREFER),
        ca_certificate=server.ca_certificate or (saved.ca_certificate if saved else ""),
        maintenance_database=server.maintenance_database or (saved.maintenance_database if saved else "postgres"),
        saved_connection=saved,
    )


def _saved_connection(server: ServerRequest) -> SavedConnection | None:
    if server.saved_name is None:
        return None
    found = SavedConnection.objects.filter(name=server.saved_name).first()
    if found is None:
        names = SavedConnection.objects.values_list("name", flat=True)
        raise CommandFailed(
            f"There is no saved connection {server.saved_name!r}.", hint=f"Saved: {', '.join(names) or 'none yet'}."
        )
    return found


def _new_draft(request: MigrationRequest) -> Migration:
    longest = Migration._meta.get_field("name").max_length or 63
    if len(request.name) > longest:
        raise CommandFailed(f"The name has {len(request.name)} characters.", hint=f"Use at most {longest}.")
    try:
        with transaction.atomic():
            return draft_create(
                name=request.name, source_type=request.source_type, option=request.option, mode=request.mode
            )
    except IntegrityError:
        raise CommandFailed(
            f"There is already a migration named {request.name}.",
            hint="Choose another name; names stay in the history.",
        ) from None
    except ModeNotPossible as error:
        raise CommandFailed(error.message, hint=error.hint) from None


def _with_facts(choice: DatabaseChoice, *, offer: Offer) -> DatabaseChoice:
    """The choice with what the source says about the database. Raises ``CommandFailed`` where there is no such one."""
    facts: dict[str, Any] | None = offer.source.get(choice.source_name)
    if facts is None:
        close = difflib.get_close_matches(choice.source_name, offer.source, n=1)
        guess = f"Is it {close[0]}? " if close else ""
        raise CommandFailed(
            f"The source has no database {choice.source_name}.", hint=f"{guess}It has: {', '.join(offer.source)}."
        )
    return DatabaseChoice(choice.source_name, choice.target_name, choice.overwrite, choice.selection, facts)


def _check_targets(request: MigrationRequest, *, offer: Offer, same_server: bool) -> None:
    """Refuse what would overwrite without consent, or copy a database onto itself. Raises ``CommandFailed``."""
    onto_itself = [choice.source_name for choice in request.databases if choice.source_name == choice.target_name]
    if same_server and onto_itself:
        raise CommandFailed(
            f"Source and target are one server, and {', '.join(onto_itself)} would be copied onto itself.",
            hint="Give each another name on the target: --database sales=sales_copy.",
        )
    if request.option is MigrationOption.VALIDATE:
        return
    unagreed = [
        choice.target_name
        for choice in request.databases
        if choice.target_name in offer.target and not choice.overwrite
    ]
    if unagreed:
        raise CommandFailed(
            f"The target already has {', '.join(unagreed)}.",
            hint="Agree that they are dropped and made anew with "
            + " ".join(f"--overwrite {name}" for name in unagreed)
            + ", or give them another name with --database SOURCE=TARGET.",
        )
