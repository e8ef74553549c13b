"""Servers people keep for later migrations. Each write leaves a line in the admin's history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from migrations_app.models import MigrationEndpoint, SavedConnection
from migrations_app.services.credentials import open_password
from migrations_app.services.drafts import EndpointValues, write_connection

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def connection_save(
    saved: SavedConnection | None,
    *,
    name: str,
    provider: str,
    values: EndpointValues,
    copy_password_of: MigrationEndpoint | None = None,
    actor: User | None = None,
    address: str | None = None,
) -> SavedConnection:
    """Create or change a saved connection. Migrations keep their own copies, so none of them changes.

    ``copy_password_of`` is a row whose stored password is taken where ``values`` has none.
    Raises ``IntegrityError`` when another one has the name.
    """
    if copy_password_of is not None and values.password is None:
        values = replace(values, password=open_password(copy_password_of) or None)
    action = CHANGE if saved else ADDITION
    row = saved or SavedConnection(created_by=actor)
    with transaction.atomic():
        row.name, row.provider = name, provider
        write_connection(row, values=values)
        row.save()
        words = "Changed" if action == CHANGE else "Saved"
        _log(row, action=action, message=f"{words}: {row.username}@{row.host}:{row.port}", actor=actor, address=address)
    return row


def connection_delete(saved: SavedConnection, *, actor: User | None = None, address: str | None = None) -> None:
    """Delete a saved connection and its password; migrations that were made from it keep their own copy."""
    with transaction.atomic():
        _log(saved, action=DELETION, message="Deleted", actor=actor, address=address)
        saved.delete()


def _log(row: SavedConnection, *, action: int, message: str, actor: User | None, address: str | None) -> None:
    if actor is None:
        return
    LogEntry.objects.create(
        user=actor,
        content_type=ContentType.objects.get_for_model(SavedConnection),
        object_id=str(row.pk),
        object_repr=row.name,
        action_flag=action,
        change_message=f"{message} (from {address or 'the command line'})",
    )
