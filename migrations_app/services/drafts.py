"""Drafts: a migration while somebody fills in its wizard. Every write is one step's own fields, and leaves an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from migrations_app.engine.providers.modes import require_possible_mode
from migrations_app.engine.spec import (
    AtWarnings,
    MigrationMode,
    MigrationOption,
    OnlineOptions,
    OnObjectError,
    RolePolicy,
    Selection,
    Side,
    VerificationLevel,
)
from migrations_app.models import (
    EventKind,
    Migration,
    MigrationDatabase,
    MigrationEndpoint,
    MigrationEvent,
    SavedConnection,
    SourceType,
    SslMode,
    State,
)
from migrations_app.services.allowed_hosts import require_network_host
from migrations_app.services.credentials import CredentialsUnreadable, forget_password, open_password, seal_password

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DRAFT_STEPS = ("setup", "source", "target", "databases", "options", "review")
CHOICE_FIELDS = ("target_name", "overwrite", "selection", "facts", "bytes_total")
DATABASES_AT_ONCE = 200
NAMES_IN_EVENT = 20
CONNECTION_FIELDS = ("host", "port", "username", "sslmode", "ca_certificate", "maintenance_database")


class NotADraft(Exception):
    """The migration was started meanwhile; its settings are fixed now."""


@dataclass(frozen=True)
class EndpointValues:
    """How to reach a server. ``password`` None keeps the stored one; it is never shown or logged."""

    host: str
    username: str
    port: int = 5432
    password: str | None = field(default=None, repr=False)
    sslmode: str = SslMode.PREFER
    ca_certificate: str = ""
    maintenance_database: str = "postgres"
    saved_connection: SavedConnection | None = None


@dataclass(frozen=True)
class DatabaseChoice:
    """One database to move. ``selection`` and ``facts`` None keep what is stored."""

    source_name: str
    target_name: str
    overwrite: bool = False
    selection: Selection | None = None
    facts: dict[str, Any] | None = None


@dataclass(frozen=True)
class OptionValues:
    """How the work is done, and when it starts (None: at once). ``online`` None keeps what is stored."""

    jobs: int = 4
    split_bytes: int = 1024**3
    roles: RolePolicy = RolePolicy.COPY
    verification: VerificationLevel = VerificationLevel.FULL
    on_object_error: OnObjectError = OnObjectError.CONTINUE
    at_warnings: AtWarnings = AtWarnings.GO_ON
    target_free_bytes: int | None = None
    forget_passwords: bool = False
    scheduled_at: datetime | None = None
    online: OnlineOptions | None = None

    def columns(self) -> dict[str, Any]:
        """Return the columns of a migration that hold these values."""
        own = {name: value for name, value in vars(self).items() if name != "online"}
        if self.online is None:
            return own
        online = dict(vars(self.online))
        return own | {"apply_engine": online.pop("apply"), **online}


def draft_create(
    *,
    name: str,
    source_type: str = SourceType.ON_PREMISES,
    option: str = MigrationOption.VALIDATE_AND_MIGRATE,
    mode: str = MigrationMode.OFFLINE,
    actor: User | None = None,
    address: str | None = None,
) -> Migration:
    """Create a draft with two empty endpoints.

    Raises ``IntegrityError`` when the name is taken, ``ModeNotPossible`` where the source can be moved offline only.
    """
    require_possible_mode(source_type, mode=mode)
    with transaction.atomic():
        migration = Migration.objects.create(
            name=name,
            source_type=source_type,
            option=option,
            mode=mode,
            source=MigrationEndpoint.objects.create(),
            target=MigrationEndpoint.objects.create(),
            created_by=actor,
            draft_step="source",
        )
        _write_event(migration, message=f"Draft {name} created.", actor=actor, address=address)
    return migration


def draft_set_setup(
    migration: Migration,
    *,
    name: str,
    source_type: str,
    option: str,
    mode: str,
    actor: User | None = None,
    address: str | None = None,
) -> None:
    """Store name, source type, option and mode.

    Raises ``NotADraft``, ``IntegrityError`` when the name is taken, ``ModeNotPossible`` where the source can be moved
    offline only.
    """
    require_possible_mode(source_type, mode=mode)
    values = {"name": name, "source_type": source_type, "option": option, "mode": mode}
    with transaction.atomic():
        _save_draft(migration, values=values, step="source")
        message = f"Setup saved: {name}, {SourceType(source_type).label}, {option}, {mode}."
        _write_event(migration, message=message, actor=actor, address=address)


def draft_set_endpoint(
    migration: Migration,
    *,
    side: Side,
    values: EndpointValues,
    actor: User | None = None,
    address: str | None = None,
) -> MigrationEndpoint:
    """Store source or target. A changed value makes the last connection test void. Raises ``NotADraft``.

    Consent to overwrite was given for one server: another target needs it anew.
    """
    row: MigrationEndpoint = getattr(migration, side.value)
    with transaction.atomic():
        _save_draft(migration, values={}, step="target" if side is Side.SOURCE else "databases")
        changed = write_connection(row, values=values)
        row.saved_connection = values.saved_connection
        row.save()
        if changed and side is Side.TARGET:
            migration.databases.update(overwrite=False)
        if changed:
            message = f"{side.value.capitalize()} server saved: {row}."
            _write_event(migration, message=message, actor=actor, address=address)
    return row


def write_connection(row: MigrationEndpoint | SavedConnection, *, values: EndpointValues) -> bool:
    """Put ``values`` into ``row`` without saving it; tell whether anything changed, which voids its test.

    Raises ``ConnectionFailed`` for what is not one host on the network.
    """
    require_network_host(values.host)
    changed = any(getattr(row, name) != getattr(values, name) for name in CONNECTION_FIELDS)
    for name in CONNECTION_FIELDS:
        setattr(row, name, getattr(values, name))
    if values.password is not None and not _holds_password(row, values.password):
        seal_password(row, values.password)
        changed = True
    if changed:
        row.tested_at = None
        row.facts = {}
    return changed


def _holds_password(row: MigrationEndpoint | SavedConnection, password: str) -> bool:
    try:
        return bool(row.sealed_password) and open_password(row) == password
    except CredentialsUnreadable:
        return False  # its key is gone; the password that was typed now replaces it


def draft_use_saved_connection(
    migration: Migration,
    *,
    side: Side,
    saved: SavedConnection,
    actor: User | None = None,
    address: str | None = None,
) -> MigrationEndpoint:
    """Copy a saved connection, its password included, into source or target.

    Raises ``NotADraft``, or ``CredentialsUnreadable`` when the stored password cannot be opened.
    """
    values = EndpointValues(
        **{name: getattr(saved, name) for name in CONNECTION_FIELDS},
        password=open_password(saved) if saved.sealed_password else None,
        saved_connection=saved,
    )
    row = getattr(migration, side.value)
    if not saved.sealed_password:
        forget_password(row)
    return draft_set_endpoint(migration, side=side, values=values, actor=actor, address=address)


def draft_set_databases(
    migration: Migration,
    *,
    databases: Sequence[DatabaseChoice],
    actor: User | None = None,
    address: str | None = None,
) -> None:
    """Make ``databases`` the chosen ones; those that are not among them are taken out. Raises ``NotADraft``."""
    with transaction.atomic():
        _save_draft(migration, values={}, step="options")
        chosen = {choice.source_name: choice for choice in databases}
        migration.databases.exclude(source_name__in=chosen).delete()
        kept = {row.source_name: row for row in migration.databases.all()}
        _move_names_aside(kept, chosen=chosen)
        for row in kept.values():
            _put_choice(row, chosen[row.source_name])
        MigrationDatabase.objects.bulk_update(kept.values(), CHOICE_FIELDS, batch_size=DATABASES_AT_ONCE)
        new = [_new_database(migration, choice) for name, choice in chosen.items() if name not in kept]
        MigrationDatabase.objects.bulk_create(new, batch_size=DATABASES_AT_ONCE)
        message = f"Databases chosen: {_names(list(chosen))}."
        _write_event(migration, message=message, actor=actor, address=address)


def _names(databases: Sequence[str]) -> str:
    """The first of many: an event is one line of the page."""
    shown, more = databases[:NAMES_IN_EVENT], len(databases) - NAMES_IN_EVENT
    return (", ".join(shown) or "none") + (f" and {more:,} more" if more > 0 else "")


def _move_names_aside(kept: dict[str, MigrationDatabase], *, chosen: dict[str, DatabaseChoice]) -> None:
    """Two databases may swap target names, which are unique: give changing ones a name nobody has meanwhile."""
    changing = [row.pk for name, row in kept.items() if row.target_name != chosen[name].target_name]
    aside = Concat(Value("\x01"), Cast("pk", CharField()))
    MigrationDatabase.objects.filter(pk__in=changing).update(target_name=aside)


def _new_database(migration: Migration, choice: DatabaseChoice) -> MigrationDatabase:
    row = MigrationDatabase(migration=migration, source_name=choice.source_name)
    _put_choice(row, choice)
    return row


def _put_choice(row: MigrationDatabase, choice: DatabaseChoice) -> None:
    row.target_name = choice.target_name
    row.overwrite = choice.overwrite
    if choice.selection is not None:
        row.selection = selection_as_dict(choice.selection)
    if choice.facts is not None:
        row.facts = choice.facts
        row.bytes_total = int(choice.facts.get("size_bytes") or 0)


def draft_set_selection(
    migration: Migration,
    *,
    database: str,
    selection: Selection,
    facts: dict[str, Any],
    actor: User | None = None,
    address: str | None = None,
) -> MigrationDatabase:
    """Store which tables of ``database`` move, and add ``facts`` (what remains) to what is known of it.

    A database that was not chosen yet becomes chosen. Raises ``NotADraft``.
    """
    with transaction.atomic():
        _save_draft(migration, values={}, step=None)
        row, _ = MigrationDatabase.objects.get_or_create(
            migration=migration, source_name=database, defaults={"target_name": database}
        )
        row.selection = selection_as_dict(selection)
        row.facts = row.facts | facts
        row.save(update_fields=["selection", "facts"])
        words = "everything" if selection.is_everything else "a part"
        _write_event(migration, message=f"Tables of {database} chosen: {words}.", actor=actor, address=address)
    return row


def draft_set_options(
    migration: Migration,
    *,
    options: OptionValues,
    actor: User | None = None,
    address: str | None = None,
) -> None:
    """Store the options. Raises ``NotADraft``."""
    with transaction.atomic():
        _save_draft(migration, values=options.columns(), step="review")
        _write_event(migration, message="Options saved.", actor=actor, address=address)


def draft_delete(migration: Migration, *, actor: User | None = None, address: str | None = None) -> None:
    """Discard a draft with its endpoints and passwords. Its events go with it; the history keeps one line.

    Raises ``NotADraft``.
    """
    with transaction.atomic():
        _save_draft(migration, values={}, step=None)
        if actor is not None:
            LogEntry.objects.create(
                user=actor,
                content_type=ContentType.objects.get_for_model(Migration),
                object_id=str(migration.pk),
                object_repr=migration.name[:200],
                action_flag=DELETION,
                change_message=f"Draft discarded from {address or 'the command line'}.",
            )
        source, target = migration.source, migration.target
        migration.delete()
        source.delete()
        target.delete()


def selection_as_dict(selection: Selection) -> dict[str, Any]:
    """Return a selection as JSON can hold it, for ``services.spec.selection_from_json``; everything is empty."""
    kept = {each.name: names for each in fields(selection) if (names := getattr(selection, each.name))}
    return {key: [list(name) if isinstance(name, tuple) else name for name in names] for key, names in kept.items()}


def _save_draft(migration: Migration, *, values: dict[str, Any], step: str | None) -> None:
    """Write ``values`` if the migration is still a draft, and note that it was saved just now.

    ``step`` is the next one to fill in; going back to an earlier step does not forget how far the draft was.
    """
    values = values | {"draft_saved_at": timezone.now()}
    if step and DRAFT_STEPS.index(step) > DRAFT_STEPS.index(migration.draft_step):
        values["draft_step"] = step
    drafts = Migration.objects.filter(pk=migration.pk, state=State.DRAFT)
    if not drafts.update(revision=F("revision") + 1, **values):
        raise NotADraft(f"{migration.name} is not a draft any more.")
    for name, value in values.items():
        setattr(migration, name, value)


def _write_event(migration: Migration, *, message: str, actor: User | None, address: str | None) -> None:
    MigrationEvent.objects.create(
        migration=migration, kind=EventKind.ACTION, message=message, actor=actor, address=address
    )
