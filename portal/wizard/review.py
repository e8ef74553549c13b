"""A migration in sentences: one per decision, and what it does to the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from migrations_app.engine.spec import MigrationMode, MigrationOption, WithoutIdentity
from migrations_app.models import Migration, MigrationDatabase, MigrationEndpoint, SourceType, SslMode
from migrations_app.models.migration import (
    APPLY_CHOICES,
    AT_WARNINGS_CHOICES,
    ON_ERROR_CHOICES,
    ROLE_CHOICES,
    VERIFICATION_CHOICES,
    WITHOUT_IDENTITY_CHOICES,
)
from portal.templatetags.portal_format import bytes_in_words, counted, duration
from portal.wizard.fact_strip import is_local, version_of
from portal.wizard.steps import WHAT_IS_COUNTED, chosen, moving_bytes, moving_tables, url_of

VERIFYING = (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)
WAY_BACK = "Changes on the target travel back to the old source after the cutover, until you go back or finish."
NO_WAY_BACK = "None: after the cutover the old source stays as it was."
DEEDS = {
    MigrationOption.VALIDATE: "Start validation of {}",
    MigrationOption.MIGRATE: "Start migration of {}",
    MigrationOption.VALIDATE_AND_MIGRATE: "Start validation and migration of {}",
}
OPTION_SENTENCES = {
    MigrationOption.VALIDATE: "Validate only: both servers are checked, nothing is written to either.",
    MigrationOption.MIGRATE: "Migrate without validation: a missing right or extension shows only when it fails.",
    MigrationOption.VALIDATE_AND_MIGRATE: "Validate, then migrate; a failed check stops it before anything is written.",
}
MODE_SENTENCES = {
    MigrationMode.OFFLINE: "Offline: one consistent copy. What is written to the source after the start does not move.",
    MigrationMode.ONLINE: "Online: a copy, then every change follows until you cut over.",
}


@dataclass(frozen=True)
class Decision:
    """A sentence about one decision, and where to change it."""

    title: str
    sentence: str
    url: str


@dataclass(frozen=True)
class Effect:
    """What happens to one database on the target."""

    database: MigrationDatabase
    overwrites: bool
    words: str


def decisions(migration: Migration) -> list[Decision]:
    """Return every decision of the wizard as a sentence."""
    setup, options = url_of(migration, "setup"), url_of(migration, "options")
    return [
        Decision("Option", OPTION_SENTENCES[MigrationOption(migration.option)], setup),
        Decision("Mode", MODE_SENTENCES[MigrationMode(migration.mode)], setup),
        Decision("Source", _server(migration, "source"), url_of(migration, "source")),
        Decision("Target", _server(migration, "target"), url_of(migration, "target")),
        Decision("Databases", _databases(migration), url_of(migration, "databases")),
        Decision("Parallelism", _parallelism(migration), options),
        Decision("Roles", f"{_label(ROLE_CHOICES, migration.roles)}.", options),
        Decision("Verification", f"{_label(VERIFICATION_CHOICES, migration.verification)}.", options),
        Decision("An object that fails", f"{_label(ON_ERROR_CHOICES, migration.on_object_error)}.", options),
        *_at_warnings(migration, options),
        *_online(migration, options),
        Decision("Passwords", _passwords(migration), options),
    ]


def _at_warnings(migration: Migration, url: str) -> list[Decision]:
    """Only a migration that validates and then moves can stop between the two."""
    if migration.option != MigrationOption.VALIDATE_AND_MIGRATE:
        return []
    return [Decision("At warnings", f"{_label(AT_WARNINGS_CHOICES, migration.at_warnings)}.", url)]


def _online(migration: Migration, url: str) -> list[Decision]:
    if migration.mode != MigrationMode.ONLINE:
        return []
    seen = f" The target reaches the source at {migration.source_as_seen_by_target}."
    proof = _label(VERIFICATION_CHOICES, migration.cutover_verification).lower()
    limit = bytes_in_words(migration.give_up_wal_bytes)
    given_up = f" At {limit}, or when its disk is nearly full, the slot is given up, and the migration fails."
    return [
        Decision(
            "Who carries the changes",
            f"{_label(APPLY_CHOICES, migration.apply_engine)}.{seen if migration.source_as_seen_by_target else ''}",
            url,
        ),
        Decision("Tables without a key", f"{_label(WITHOUT_IDENTITY_CHOICES, migration.without_identity)}.", url),
        Decision(
            "Cutover",
            f"You start it. Compared while writes are blocked: {proof}. It is undone after "
            f"{duration(migration.cutover_seconds)}; sequences skip {migration.sequence_headroom:,} values.",
            url,
        ),
        Decision("Way back", WAY_BACK if migration.fall_back else NO_WAY_BACK, url),
        Decision(
            "The source's disk",
            f"A warning when the slot holds back more than {bytes_in_words(migration.retained_wal_bytes)}, or when the "
            f"room for the log lasts less than {duration(migration.room_alarm_seconds)}."
            f"{given_up if migration.protect_source else ' Nothing is dropped.'}",
            url,
        ),
        Decision("Reminders", _reminders(migration), url),
    ]


def _reminders(migration: Migration) -> str:
    parts = [f"when what is applied is older than {duration(migration.lag_alarm_seconds)}"]
    if migration.warn_after_days:
        parts.append(f"after {counted(migration.warn_after_days, 'day')}")
    if migration.warn_cutover_days:
        parts.append(f"after {counted(migration.warn_cutover_days, 'day')} of waiting for the cutover")
    return f"People are reminded {', '.join(parts)}. Nothing is ended by that."


def source_effects(migration: Migration) -> list[str]:
    """Return what an online migration makes on the source, to be removed at its end."""
    if migration.mode != MigrationMode.ONLINE or migration.option == MigrationOption.VALIDATE:
        return []
    effects = ["In each database a publication of its tables, and a replication slot that keeps every change."]
    if migration.heartbeat:
        effects.append("In each database a schema _migration_portal with one table, written every few seconds.")
    if migration.without_identity == WithoutIdentity.FULL:
        effects.append("Tables without a key get REPLICA IDENTITY FULL, and their own setting back at the end.")
    effects.append("During the cutover every role but ours is kept out; an undone cutover lets them in again.")
    if migration.fall_back:
        effects.append("After the cutover changes of the target are applied here, until you finish.")
    return effects


def _label(choices: Sequence[tuple[str, str]], value: str) -> str:
    return next((label for key, label in choices if key == value), value)


def _server(migration: Migration, side: str) -> str:
    row = getattr(migration, side)
    kind = SourceType(migration.source_type).label if side == "source" else row.facts.get("provider_name", "")
    version = f"PostgreSQL {version_of(row.facts)}" if row.facts else "PostgreSQL"
    words = f"{version} at {row.host}:{row.port} ({kind}), as {row.username}, TLS mode {row.sslmode}."
    return f"{words} {warning}" if (warning := tls_warning(row)) else words


def tls_warning(row: MigrationEndpoint) -> str:
    """Say what a TLS mode leaves open on the way to another machine, or an empty string.

    Only verify-ca and verify-full prove who answers: https://www.postgresql.org/docs/18/libpq-ssl.html
    """
    if is_local(row.host) or row.sslmode in VERIFYING:
        return ""
    if row.sslmode == SslMode.REQUIRE:
        return "Encrypted, but nothing proves which server answers: verify-full would."
    if row.sslmode == SslMode.DISABLE:
        return "Nothing is encrypted: password and data cross the network in clear."
    return "It may go on without encryption, and nothing proves which server answers: require or verify-full would not."


def _databases(migration: Migration) -> str:
    rows_chosen = chosen(migration)
    names = ", ".join(row.source_name for row in rows_chosen[:8])
    more = f" and {len(rows_chosen) - 8} more" if len(rows_chosen) > 8 else ""
    total = bytes_in_words(sum(moving_bytes(row) for row in rows_chosen))
    tables = sum(moving_tables(row) for row in rows_chosen)
    return (
        f"{count_databases(len(rows_chosen))}: {names}{more}; {total} in {counted(tables, 'table')}. {WHAT_IS_COUNTED}"
    )


def _parallelism(migration: Migration) -> str:
    many = f"{migration.jobs} tables or parts" if migration.jobs > 1 else "One table or part"
    return f"{many} at once; tables larger than {bytes_in_words(migration.split_bytes)} are split."


def _passwords(migration: Migration) -> str:
    if migration.forget_passwords:
        return "Both passwords are erased when the migration ends."
    return "Both passwords stay with the migration, encrypted, so that it can be resumed."


def count_databases(count: int) -> str:
    """Return ``1 database`` or ``3 databases``."""
    return counted(count, "database")


def effects(migration: Migration) -> list[Effect]:
    """Return what happens on the target, one entry per database."""
    if migration.option == MigrationOption.VALIDATE:
        return []
    on_target = migration.target.facts.get("databases")
    return [_effect(row, on_target=on_target) for row in chosen(migration)]


def _effect(row: MigrationDatabase, *, on_target: dict[str, dict[str, Any]] | None) -> Effect:
    """Say what happens to one name; only a list of the target that lacks the name proves that nothing is dropped."""
    tables_coming = counted(moving_tables(row), "table")
    coming = f"{bytes_in_words(moving_bytes(row))} in {tables_coming} from {row.source_name}"
    existing = (on_target or {}).get(row.target_name)
    if existing is None and row.overwrite:
        return Effect(row, overwrites=True, words=f"is dropped if it exists by then, and created with {coming}.")
    if existing is None and on_target is None:
        words = f"receives {coming}. Whether it exists already is not known: open the databases step to see it."
        return Effect(row, overwrites=True, words=words)
    if existing is None:
        return Effect(row, overwrites=False, words=f"is created, with {coming}.")
    size, tables = existing.get("size_bytes"), existing.get("table_count")
    there = f"{bytes_in_words(size)} in {counted(tables, 'table')}" if size is not None else "its present content"
    return Effect(row, overwrites=True, words=f"is dropped with {there}, and created anew with {coming}.")


def start_words(migration: Migration) -> str:
    """Return the label of the start button: the deed, named."""
    words = DEEDS[MigrationOption(migration.option)].format(count_databases(len(chosen(migration))))
    return words.replace("Start", "Schedule", 1) if migration.scheduled_at else words
