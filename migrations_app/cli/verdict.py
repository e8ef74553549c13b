"""The exit code of a migration that has ended, and the sentence for it."""

from __future__ import annotations

from collections.abc import Sequence

from migrations_app.cli.exits import ExitCode
from migrations_app.engine.events import CheckResult
from migrations_app.engine.spec import MigrationOption, VerificationLevel
from migrations_app.models import Migration, MigrationDatabase, State, VerificationResult

NOT_PROVED = (CheckResult.DIFFERENT, CheckResult.COULD_NOT_VERIFY)


def exit_code_of(migration: Migration) -> ExitCode:
    """Return what ``--wait`` ends with. A failure for any reason other than the verification is a failed migration."""
    databases = list(migration.databases.all())
    unproved = [database for database in databases if database.verified in NOT_PROVED]
    if migration.state == State.SUCCEEDED:
        return ExitCode.NOT_PROVED if unproved or _has_open_results(migration) else ExitCode.SUCCESS
    if migration.state == State.VALIDATION_FAILED:
        return ExitCode.VALIDATION_FAILED
    if migration.state == State.FAILED and unproved and not _failed_otherwise(databases):
        return ExitCode.NOT_PROVED
    return ExitCode.MIGRATION_FAILED


def exit_code_of_proof(migration: Migration) -> ExitCode:
    """Return what ``verify`` ends with: 0 only if every database was compared and found identical."""
    databases = list(migration.databases.all())
    proved = bool(databases) and all(database.verified == CheckResult.IDENTICAL for database in databases)
    return ExitCode.SUCCESS if proved and not _has_open_results(migration) else ExitCode.NOT_PROVED


def proof_words(migration: Migration) -> str:
    """Say in one sentence what is known about the data on the target."""
    if migration.option == MigrationOption.VALIDATE:
        return "This migration only validated; nothing was moved, so there is nothing to verify."
    if migration.verification == VerificationLevel.NONE:
        return "Nothing was verified: verification was switched off for this migration."
    results = {database.verified for database in migration.databases.all()}
    if CheckResult.DIFFERENT in results:
        return "Source and target differ."
    if results == {CheckResult.IDENTICAL.value}:
        return "Everything that was compared is identical on source and target."
    return "Not everything could be verified."


def _failed_otherwise(databases: Sequence[MigrationDatabase]) -> bool:
    return any(database.state != State.SUCCEEDED and database.verified not in NOT_PROVED for database in databases)


def _has_open_results(migration: Migration) -> bool:
    return VerificationResult.objects.filter(database__migration=migration, result__in=NOT_PROVED).exists()
