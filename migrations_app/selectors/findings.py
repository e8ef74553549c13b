"""Findings of a migration: grouped by level, then by object; and their fixes as one script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from django.db.models import Case, Count, F, IntegerField, QuerySet, Value, When

from migrations_app.engine.findings import Level
from migrations_app.models import Migration, MigrationFinding

LEVEL_ORDER = (Level.FAILED, Level.UNKNOWN, Level.WARNING, Level.INFO)
OPENED_AT_ONCE = 3
LEVEL_LABELS = {
    Level.FAILED: "Failed",
    Level.UNKNOWN: "Could not check",
    Level.WARNING: "Warnings",
    Level.INFO: "For information",
}
LEVEL_MEANING = {
    Level.FAILED: "The migration cannot be complete until these are fixed.",
    Level.UNKNOWN: "A check could not run, so nobody knows. Treat it as open.",
    Level.WARNING: "The migration goes on; read them before you use the target.",
    Level.INFO: "Nothing to do.",
}


@dataclass(frozen=True)
class SubjectGroup:
    """The findings about one object; ``database`` is empty for a server or a role."""

    database: str
    subject: str
    findings: tuple[MigrationFinding, ...]


@dataclass(frozen=True)
class LevelGroup:
    """The findings of one level, by object."""

    level: Level
    count: int
    subjects: tuple[SubjectGroup, ...]

    @property
    def label(self) -> str:
        """The level as a heading."""
        return LEVEL_LABELS[self.level]

    @property
    def is_urgent(self) -> bool:
        """Few findings that must be fixed: worth being read at once."""
        return self.level == Level.FAILED and self.count <= OPENED_AT_ONCE

    @property
    def meaning(self) -> str:
        """What the level means for the migration."""
        return LEVEL_MEANING[self.level]


def findings_of(migration_id: UUID) -> QuerySet[MigrationFinding]:
    """Return the findings in the order in which they should be read; a slice reads no more than it shows."""
    rank = Case(
        *(When(level=level, then=Value(rank)) for rank, level in enumerate(LEVEL_ORDER)),
        default=Value(len(LEVEL_ORDER)),
        output_field=IntegerField(),
    )
    rows = MigrationFinding.objects.filter(migration_id=migration_id).select_related("database")
    rows = rows.defer("database__facts", "database__selection", "database__step_times")
    return rows.order_by(rank, F("database__source_name").asc(nulls_first=True), "subject", "pk")


def has_fixes(migration_id: UUID) -> bool:
    """Tell whether any finding has a fix in SQL (one query)."""
    return MigrationFinding.objects.filter(migration_id=migration_id).exclude(fix_sql="").exists()


def level_counts(migration_id: UUID) -> dict[str, int]:
    """Return how many findings there are of each level (one query)."""
    rows = MigrationFinding.objects.filter(migration_id=migration_id).order_by().values_list("level")
    return dict(rows.annotate(count=Count("pk")))


def grouped(findings: Iterable[MigrationFinding], *, counts: Mapping[str, int]) -> list[LevelGroup]:
    """Group findings that are in reading order; ``counts`` are those of each level, though not all may be shown."""
    by_level = groupby(findings, key=lambda row: row.level)
    return [_level_group(Level(level), tuple(rows), count=counts.get(level, 0)) for level, rows in by_level]


def fixes_sql(migration: Migration) -> str:
    """Return every fix as one SQL script, each with what it is for; nothing in it runs by itself."""
    findings = findings_of(migration.pk)
    with_sql = [finding for finding in findings if finding.fix_sql.strip()]
    lines = [
        f"-- Fixes for the findings of migration {migration.name}.",
        "-- Read each one, and connect to the server and database that it names.",
        f"-- {len(with_sql)} of {len(findings)} findings have a fix in SQL.",
    ]
    for finding in with_sql:
        lines += ["", *_heading(finding), finding.fix_sql.strip()]
    return "\n".join(lines) + "\n"


def _heading(finding: MigrationFinding) -> Iterator[str]:
    place = f" in database {_database_name(finding)}" if _database_name(finding) else ""
    yield from _comment(f"{finding.code} {finding.level}: {finding.subject}{place}")
    yield from _comment(finding.saw)
    if finding.fix:
        yield from _comment(f"Fix: {finding.fix}")


def _comment(text: str) -> Iterator[str]:
    """A line of a script for each line of the text: a line end in it must not end the comment."""
    for line in text.splitlines():
        yield f"-- {line}"


def _database_name(finding: MigrationFinding) -> str:
    return finding.database.source_name if finding.database else ""


def _level_group(level: Level, findings: Sequence[MigrationFinding], *, count: int) -> LevelGroup:
    by_subject = groupby(findings, key=lambda row: (_database_name(row), row.subject))
    subjects = tuple(SubjectGroup(database, subject, tuple(rows)) for (database, subject), rows in by_subject)
    return LevelGroup(level=level, count=count, subjects=subjects)
