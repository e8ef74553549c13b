"""Read a migration from a JSON file in the format of ``az postgres flexible-server migration create --properties``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from migrations_app.engine.spec import AtWarnings, MigrationMode, MigrationOption, RolePolicy
from migrations_app.models import SourceType, SslMode
from migrations_app.services.server_address import InvalidAddress, ServerAddress, read_server_address

SSL_MODES = {
    "prefer": SslMode.PREFER,
    "require": SslMode.REQUIRE,
    "verifyca": SslMode.VERIFY_CA,
    "verifyfull": SslMode.VERIFY_FULL,
    "allow": SslMode.ALLOW,
    "disable": SslMode.DISABLE,
}
# Keys that Microsoft's service knows and that have no meaning here: said, not obeyed.
WITHOUT_EFFECT = {
    "migrationRuntimeResourceId": "the portal itself does the work of a runtime server",
    "migrationInstanceResourceId": "the portal itself does the work of a runtime server",
    "setupLogicalReplicationOnSourceDbIfNeeded": "the portal sets nothing on a server; Validate says what is needed",
    "migrationWindowEndTimeInUtc": "a migration that has begun is not stopped by a clock",
    "startDataMigration": "use --start or --schedule",
    "triggerCutover": "cut over with “migration cutover NAME”, once it is caught up",
    "targetDbServerResourceId": "the target is named by its host",
}
PROPERTIES = (
    "sourceDbServerResourceId",
    "sourceDbServerFullyQualifiedDomainName",
    "targetDbServerFullyQualifiedDomainName",
    "secretParameters",
    "dbsToMigrate",
    "overwriteDbsInTarget",
    "sourceType",
    "sslMode",
    "migrationMode",
    "migrationOption",
    "migrateRoles",
    "migrationWindowStartTimeInUtc",
    "atWarnings",  # the portal's own
    *WITHOUT_EFFECT,
)
SECRETS = ("adminCredentials", "sourceServerUserName", "targetServerUserName")
CREDENTIALS = ("sourceServerPassword", "targetServerPassword")
TOP_LEVEL = ("properties", "location", "tags")

Word = TypeVar("Word", MigrationMode, MigrationOption, AtWarnings)


class InvalidMigrationFile(Exception):
    """The file cannot be used. ``message`` says what is wrong and where, ``hint`` what to do; neither quotes the file,
    which may hold passwords."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class ImportedServer:
    """How to reach a server, as far as the file says; None where it does not."""

    host: str | None
    port: int | None
    user: str | None
    password: str | None = field(repr=False)


@dataclass(frozen=True)
class ImportedMigration:
    """What the file asks for. ``notes`` are sentences for the person about keys that have no effect."""

    source: ImportedServer
    target: ImportedServer
    databases: tuple[str, ...]
    overwrite: bool
    source_type: str
    sslmode: str
    mode: MigrationMode | None = None
    option: MigrationOption | None = None
    roles: RolePolicy | None = None
    at_warnings: AtWarnings | None = None
    scheduled_at: datetime | None = None
    notes: tuple[str, ...] = ()


def migration_from_azure_json(text: str | bytes) -> ImportedMigration:
    """Read the file's text. Raises ``InvalidMigrationFile``.

    Keys are case-insensitive and booleans may be strings, as in the Azure CLI; unlike there, any number of databases
    is taken, and a key that nobody knows is an error, since it may be a misspelt one.
    """
    top = _object(_parse(_decoded(text)), where="the file", known=TOP_LEVEL)
    if "properties" not in top:
        raise InvalidMigrationFile(
            'The file has no "properties".',
            hint='Put everything below one key: { "properties": { "sourceDbServerResourceId": … } }.',
        )
    properties = _object(top["properties"], where="properties", known=PROPERTIES)
    secrets = _object(properties.get("secretParameters", {}), where="secretParameters", known=SECRETS)
    passwords = _object(secrets.get("adminCredentials", {}), where="adminCredentials", known=CREDENTIALS)
    return ImportedMigration(
        source=_source(properties, secrets, passwords),
        target=ImportedServer(
            host=_text(properties, "targetDbServerFullyQualifiedDomainName"),
            port=None,
            user=_text(secrets, "targetServerUserName"),
            password=_text(passwords, "targetServerPassword"),
        ),
        databases=_databases(properties),
        overwrite=_boolean(properties, "overwriteDbsInTarget") or False,
        source_type=_source_type(_text(properties, "sourceType")),
        sslmode=_sslmode(_text(properties, "sslMode")),
        mode=_choice(properties, "migrationMode", MigrationMode),
        option=_choice(properties, "migrationOption", MigrationOption),
        roles=_roles(properties),
        at_warnings=_choice(properties, "atWarnings", AtWarnings),
        scheduled_at=_moment(properties, "migrationWindowStartTimeInUtc"),
        notes=tuple(f"{key} has no effect: {why}." for key, why in WITHOUT_EFFECT.items() if _is_set(properties, key)),
    )


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidMigrationFile(
            f"The file is not UTF-8: byte {error.start + 1} does not fit.", hint="Save it as UTF-8."
        ) from None


def _parse(text: str) -> object:
    if not text.strip():
        raise InvalidMigrationFile("The file is empty.", hint="docs/command-line.md shows what it must hold.")
    try:
        return json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        raise InvalidMigrationFile(
            f"The file is not JSON: line {error.lineno}, column {error.colno}: {_in_words(error.msg)}.",
            hint="Correct that place: keys and texts stand in double quotes, with a comma between entries but not "
            "after the last, and no comments.",
        ) from None


def _in_words(message: str) -> str:
    return message[:1].lower() + message[1:]


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse two keys that are one to the Azure CLI: which of them counts would be luck."""
    seen: dict[str, str] = {}
    for key, _ in pairs:
        if key.lower() in seen:
            raise InvalidMigrationFile(
                f'The key "{key}" stands twice in one object.', hint="Keep one of them; capitals make no difference."
            )
        seen[key.lower()] = key
    return dict(pairs)


def _object(value: object, *, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the object with its keys spelt as in ``known``. Raises ``InvalidMigrationFile`` for any other key."""
    if not isinstance(value, Mapping):
        raise InvalidMigrationFile(f"Not an object, {{ … }}: {where}.")
    spelling = {key.lower(): key for key in known}
    unknown = [key for key in value if key.lower() not in spelling]
    if unknown:
        raise InvalidMigrationFile(_unknown_keys(unknown, where=where, known=known), hint="Correct or remove them.")
    return {spelling[key.lower()]: each for key, each in value.items()}


def _unknown_keys(unknown: list[str], *, where: str, known: tuple[str, ...]) -> str:
    spelling = {key.lower(): key for key in known}
    described = []
    for key in unknown:
        close = difflib.get_close_matches(key.lower(), spelling, n=1)
        described.append(f'"{key}" (is it {spelling[close[0]]}?)' if close else f'"{key}"')
    return f"Unknown in {where}: {', '.join(described)}."


def _is_set(values: Mapping[str, Any], key: str) -> bool:
    return str(values.get(key) or "").lower() not in ("", "false", "null")


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidMigrationFile(f"{key} must be a text in double quotes.")
    return value


def _boolean(values: Mapping[str, Any], key: str) -> bool | None:
    value = values.get(key)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise InvalidMigrationFile(f'{key} must be true or false (or "true" or "false").')


def _source(values: Mapping[str, Any], secrets: Mapping[str, Any], passwords: Mapping[str, Any]) -> ImportedServer:
    resource, domain = (
        _text(values, "sourceDbServerResourceId"),
        _text(values, "sourceDbServerFullyQualifiedDomainName"),
    )
    address = ServerAddress()
    if resource and not resource.startswith("/"):
        try:
            address = read_server_address(resource)
        except InvalidAddress as error:
            raise InvalidMigrationFile(
                f"sourceDbServerResourceId is no server address: {error}", hint=error.hint
            ) from None
    elif resource and not domain:
        raise InvalidMigrationFile(
            "sourceDbServerResourceId is an Azure resource, which the portal cannot look up.",
            hint="Write host:port@user instead, or add sourceDbServerFullyQualifiedDomainName.",
        )
    return ImportedServer(
        host=domain or address.host,
        port=address.port,
        user=_text(secrets, "sourceServerUserName") or address.user,
        password=_text(passwords, "sourceServerPassword"),
    )


def _databases(values: Mapping[str, Any]) -> tuple[str, ...]:
    names = values.get("dbsToMigrate", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise InvalidMigrationFile('dbsToMigrate must be a list of names: ["sales", "crm"].')
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidMigrationFile(f"dbsToMigrate names {', '.join(twice)} twice.", hint="Name each database once.")
    return tuple(names)


def _source_type(given: str | None) -> str:
    if given is None:
        return SourceType.ON_PREMISES
    known = {_bare(value): value for value in SourceType.values}
    if _bare(given) not in known:
        raise InvalidMigrationFile(
            f'sourceType "{given}" is not known.', hint=f"Known: {', '.join(sorted(SourceType.values))}."
        )
    return known[_bare(given)]


def _sslmode(given: str | None) -> str:
    if given is None:
        return SslMode.PREFER
    if _bare(given) not in SSL_MODES:
        raise InvalidMigrationFile(
            f'sslMode "{given}" is not known.', hint="Known: Prefer, Require, VerifyCA, VerifyFull."
        )
    return SSL_MODES[_bare(given)]


def _bare(word: str) -> str:
    """A word without its capitals, hyphens and underscores: Microsoft's pages spell them in several ways."""
    return word.lower().replace("-", "").replace("_", "")


def _choice(values: Mapping[str, Any], key: str, words: type[Word]) -> Word | None:
    given = _text(values, key)
    if given is None:
        return None
    found = next((word for word in words if word.value.lower() == given.lower()), None)
    if found is None:
        raise InvalidMigrationFile(f'{key} "{given}" is not known.', hint=f"Known: {', '.join(words)}.")
    return found


def _roles(values: Mapping[str, Any]) -> RolePolicy | None:
    wanted = _boolean(values, "migrateRoles")
    return None if wanted is None else (RolePolicy.COPY if wanted else RolePolicy.SKIP)


def _moment(values: Mapping[str, Any], key: str) -> datetime | None:
    given = _text(values, key)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise InvalidMigrationFile(f"{key} is not a time.", hint="Write it as 2026-11-30T22:00:00Z.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
