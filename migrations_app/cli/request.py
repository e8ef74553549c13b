"""What ``create`` was asked for: arguments, file and environment put together, before anything is contacted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils import timezone

from migrations_app.cli.exits import CommandFailed
from migrations_app.cli.online_arguments import online_options
from migrations_app.engine.spec import (
    AtWarnings,
    MigrationMode,
    MigrationOption,
    OnObjectError,
    RolePolicy,
    Selection,
    Side,
    VerificationLevel,
)
from migrations_app.models import SourceType
from migrations_app.services.drafts import DatabaseChoice, OptionValues
from migrations_app.services.importing import (
    ImportedMigration,
    ImportedServer,
    InvalidMigrationFile,
    migration_from_azure_json,
)
from migrations_app.services.server_address import ServerAddress

DEFAULT_PORT = 5432
DEFAULT_USER = "postgres"


@dataclass(frozen=True)
class ServerRequest:
    """How to reach a server; what was not given comes from the saved connection, if one is named."""

    side: Side
    host: str | None
    port: int | None
    user: str | None
    sslmode: str | None
    ca_certificate: str
    maintenance_database: str | None
    saved_name: str | None
    imported: ImportedServer | None

    @property
    def label(self) -> str:
        """``user@host:port`` for messages."""
        return f"{self.user or DEFAULT_USER}@{self.host}:{self.port or DEFAULT_PORT}"


@dataclass(frozen=True)
class MigrationRequest:
    """A migration to create, in full."""

    name: str
    source_type: str
    option: MigrationOption
    mode: MigrationMode
    source: ServerRequest
    target: ServerRequest
    databases: tuple[DatabaseChoice, ...]
    options: OptionValues
    notes: tuple[str, ...]


def request_from(arguments: dict[str, Any]) -> MigrationRequest:
    """Put arguments and file together; an argument wins. Raises ``CommandFailed``."""
    imported = _imported(arguments["properties"])
    return MigrationRequest(
        name=arguments["name"] or f"migration-{timezone.now():%Y%m%d-%H%M%S}",
        source_type=arguments["source_type"] or (imported.source_type if imported else SourceType.ON_PREMISES),
        option=MigrationOption(
            arguments["option"] or (imported and imported.option) or MigrationOption.VALIDATE_AND_MIGRATE
        ),
        mode=MigrationMode(arguments["mode"] or (imported and imported.mode) or MigrationMode.OFFLINE),
        source=_server(arguments, Side.SOURCE, imported),
        target=_server(arguments, Side.TARGET, imported),
        databases=tuple(_databases(arguments, imported)),
        options=_options(arguments, imported),
        notes=tuple(_notes(imported)),
    )


def _notes(imported: ImportedMigration | None) -> list[str]:
    if imported is None:
        return []
    past = imported.scheduled_at is not None and imported.scheduled_at <= timezone.now()
    late = ["migrationWindowStartTimeInUtc has no effect: that time has passed."] if past else []
    return [*imported.notes, *late]


def _imported(path: Path | None) -> ImportedMigration | None:
    if path is None:
        return None
    try:
        return migration_from_azure_json(path.read_bytes())
    except InvalidMigrationFile as error:
        raise CommandFailed(f"{path}: {error.message}", hint=error.hint) from None


def _server(arguments: dict[str, Any], side: Side, imported: ImportedMigration | None) -> ServerRequest:
    given: ServerAddress = arguments[side.value] or ServerAddress()
    ca_file: Path | None = arguments[f"{side}_ca"]
    kept: ImportedServer | None = getattr(imported, side.value) if imported else None
    saved_name: str | None = arguments[f"{side}_saved"]
    server = ServerRequest(
        side=side,
        host=given.host or (kept.host if kept else None),
        port=given.port or (kept.port if kept else None),
        user=given.user or (kept.user if kept else None),
        sslmode=arguments[f"{side}_sslmode"] or (imported.sslmode if imported else None),
        ca_certificate=ca_file.read_text() if ca_file else "",
        maintenance_database=arguments[f"{side}_maintenance_database"],
        saved_name=saved_name,
        imported=kept,
    )
    if not server.host and not saved_name:
        raise CommandFailed(
            f"The {side} server is missing.",
            hint=f"Name it with --{side} HOST:PORT@USER, with --{side}-saved NAME, or in the file of --properties.",
        )
    return server


def _databases(arguments: dict[str, Any], imported: ImportedMigration | None) -> list[DatabaseChoice]:
    pairs: list[tuple[str, str]] = arguments["database"]
    if not pairs and imported:
        pairs = [(name, name) for name in imported.databases]
    if not pairs:
        raise CommandFailed("No database was named.", hint="Name each with --database NAME, or in dbsToMigrate.")
    for number, what in enumerate(("source", "target")):
        _refuse_doubles([pair[number] for pair in pairs], what=what)
    agreed = set(arguments["overwrite"])
    foreign = agreed - {target for _, target in pairs}
    if foreign:
        raise CommandFailed(
            f"--overwrite names {', '.join(sorted(foreign))}, which is no target of this migration.",
            hint=f"Targets: {', '.join(target for _, target in pairs)}.",
        )
    everything = bool(imported and imported.overwrite)
    selection = _selection(arguments)
    return [
        DatabaseChoice(source, target, overwrite=everything or target in agreed, selection=selection)
        for source, target in pairs
    ]


def _refuse_doubles(names: Sequence[str], *, what: str) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise CommandFailed(f"The {what} database {', '.join(doubles)} is named twice.", hint="Name each once.")


def _selection(arguments: dict[str, Any]) -> Selection:
    return Selection(
        include_schemas=tuple(arguments["include_schema"]),
        exclude_schemas=tuple(arguments["exclude_schema"]),
        include_tables=tuple(arguments["include_table"]),
        exclude_tables=tuple(arguments["exclude_table"]),
    )


def _options(arguments: dict[str, Any], imported: ImportedMigration | None) -> OptionValues:
    return OptionValues(
        jobs=arguments["jobs"],
        split_bytes=arguments["split_size"],
        roles=RolePolicy(arguments["roles"] or (imported and imported.roles) or RolePolicy.COPY),
        verification=VerificationLevel(arguments["verification"]),
        on_object_error=OnObjectError(arguments["on_object_error"]),
        at_warnings=AtWarnings(arguments["at_warnings"] or (imported and imported.at_warnings) or AtWarnings.GO_ON),
        target_free_bytes=arguments["target_free_space"],
        forget_passwords=arguments["forget_passwords"],
        scheduled_at=_scheduled_at(arguments, imported),
        online=online_options(arguments),
    )


def _scheduled_at(arguments: dict[str, Any], imported: ImportedMigration | None) -> datetime | None:
    given: datetime | None = arguments["schedule"]
    if given or not imported or not imported.scheduled_at:
        return given
    return imported.scheduled_at if imported.scheduled_at > timezone.now() else None
