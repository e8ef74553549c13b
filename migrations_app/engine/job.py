"""Everything the steps of one database share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from migrations_app.engine.control import Control
from migrations_app.engine.errors import RestoreFailed
from migrations_app.engine.events import FindingRaised, Note
from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.ports import PartQueue, Reporter
from migrations_app.engine.postgres import Server
from migrations_app.engine.providers import SELF_HOSTED, Provider
from migrations_app.engine.providers_own import is_role_of, left_out
from migrations_app.engine.spec import DatabaseSpec, MigrationSpec, OnObjectError
from migrations_app.engine.target.markers import Markers


@dataclass(frozen=True)
class DatabaseJob:
    """One database on its way.

    ``encoding`` is the one in which both servers are spoken to, ``codec`` is Python's name of it. What is the source
    provider's own is not copied; what is the target provider's own stays as it is.
    """

    spec: MigrationSpec
    database: DatabaseSpec
    source: Server
    target: Server
    reporter: Reporter
    control: Control
    queue: PartQueue
    markers: Markers
    work_dir: Path
    encoding: str = "UTF8"
    codec: str = "utf-8"
    source_version: int = 0
    target_version: int = 0
    target_is_superuser: bool = False
    source_provider: Provider = SELF_HOSTED
    target_provider: Provider = SELF_HOSTED
    losses: list[str] = field(default_factory=list)

    @property
    def jobs(self) -> int:
        """How many tables, and how many index builds, run at once."""
        return self.spec.options.jobs

    def under(self, control: Control) -> DatabaseJob:
        """Return the same job held by other reins."""
        return replace(
            self,
            control=control,
            source=self.source.under(control),
            target=self.target.under(control),
        )

    def takes(self, schema: str, relation: str) -> bool:
        """Tell whether a relation of the source is copied: it was chosen, and its schema is not the provider's own."""
        return self.database.selection.takes(schema, relation) and not self.source_provider.owns_schema(schema)

    def note(self, message: str, *, level: Level = Level.INFO) -> None:
        """Write a line into the event log."""
        self.reporter.report(Note(message, database_id=self.database.id, level=level))

    def find(
        self,
        code: str,
        level: Level,
        subject: str,
        saw: str,
        *,
        why: str = "",
        fix: str = "",
        fix_sql: str = "",
        statement: str = "",
        server_message: str = "",
        phase: str = "",
        script_use: ScriptUse = ScriptUse.NOW,
    ) -> None:
        """Report a finding about this database: what is not on the target as it should be is mended there."""
        self.reporter.report(
            FindingRaised(
                Finding(
                    code=code,
                    level=level,
                    subject=subject,
                    saw=saw,
                    why=why,
                    fix=fix,
                    fix_sql=fix_sql,
                    statement=statement,
                    server_message=server_message,
                    database_id=self.database.id,
                    phase=phase,
                    side=FindingSide.TARGET,
                    script_use=script_use,
                )
            )
        )

    def provider_of(self, role: str) -> Provider | None:
        """Return the provider, of either server, to whom a role belongs; None for a role of the customer's own.

        A role of the source that bears the name of one of the target's provider, such as azure_pg_admin, would make its
        members administrators there.
        """
        both = (self.source_provider, self.target_provider)
        return next((provider for provider in both if is_role_of(provider, role)), None)

    def left_out(
        self,
        noun: str,
        names: Sequence[str],
        *,
        statements: Sequence[str] = (),
        phase: str,
        provider: Provider | None = None,
    ) -> None:
        """Tell once what of a provider's own is not copied, the source's unless named; ``noun`` is in the plural."""
        if names:
            owner = provider or (self.target_provider if self.source_provider == SELF_HOSTED else self.source_provider)
            finding = left_out(owner, noun, names, statements=statements, phase=phase)
            self.reporter.report(FindingRaised(replace(finding, database_id=self.database.id)))

    def object_failed(
        self, subject: str, *, statement: str, server_message: str, phase: str, why: str = "", fix: str = ""
    ) -> None:
        """Report an object that could not be restored; stop if the migration is set to stop at the first."""
        self.losses.append(subject)
        self.find(
            "PM4001",
            Level.FAILED,
            subject,
            "The target server refused the statement that creates it.",
            why=why or "The object is missing on the target, so the target is not identical to the source.",
            fix=fix
            or "Mend the cause that the server names, run the statement on the target by hand, then verify again.",
            fix_sql=statement,
            statement=statement,
            server_message=server_message,
            phase=phase,
        )
        if self.spec.options.on_object_error is OnObjectError.STOP:
            raise RestoreFailed(
                f"{subject} could not be restored.",
                hint="Mend the cause and resume, or choose to go on past such objects.",
                server_message=server_message,
            )
