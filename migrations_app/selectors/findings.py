"""Findings of a migration: filtered, counted, and grouped by place or by level, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, IntegerField, Min, Q, QuerySet, Value, When, Window
from django.db.models.functions import Left, Length

from migrations_app.engine.findings import ACCEPTABLE, Level
from migrations_app.engine.validation.code import all_codes
from migrations_app.models import MigrationFinding

FINDINGS_PER_PAGE = 100
SCRIPT_SHOWN = 8_000
"""Characters of a fix script that the list shows; that of 100,000 tables has millions, which are downloaded."""
OPENED_AT_ONCE = 3


class Shelf(StrEnum):
    """Where a finding is counted: under its level, or apart once it is accepted."""

    FAILED = "Failed"
    UNKNOWN = "CouldNotCheck"
    WARNING = "Warning"
    ACCEPTED = "Accepted"
    INFO = "Info"


class Grouping(StrEnum):
    """How the list is grouped."""

    PLACE = "place"
    LEVEL = "level"


SHELF_LABELS = {
    Shelf.FAILED: "Failed",
    Shelf.UNKNOWN: "Could not check",
    Shelf.WARNING: "Warnings",
    Shelf.ACCEPTED: "Accepted",
    Shelf.INFO: "For information",
}
SHELF_MEANING = {
    Shelf.FAILED: "The migration cannot be complete until these are fixed.",
    Shelf.UNKNOWN: "A check could not run, so nobody knows. Treat it as open.",
    Shelf.WARNING: "The migration works; read them before you use the target, and accept what may stay as it is.",
    Shelf.ACCEPTED: "Somebody decided that these may stay as they are.",
    Shelf.INFO: "Good to know: none of these stands in the way.",
}
SERVERS = "Servers and roles"
DATABASE_DEFERRED = ("database__facts", "database__selection", "database__step_times")


@dataclass(frozen=True)
class FindingFilter:
    """Which findings a person wants to see, and how; an empty ``shelf`` shows all."""

    shelf: Shelf | None = None
    text: str = ""
    grouping: Grouping = Grouping.PLACE


@dataclass(frozen=True)
class FindingLine:
    """One finding as the list shows it."""

    row: MigrationFinding
    title: str
    is_acceptable: bool
    is_urgent: bool
    script: str
    script_length: int

    @property
    def is_script_cut(self) -> bool:
        """Tell whether ``script`` is only the beginning of the fix script."""
        return self.script_length > len(self.script)


@dataclass(frozen=True)
class Section:
    """Findings about one object, or of one database; ``title`` is empty where it would say nothing new."""

    title: str
    lines: tuple[FindingLine, ...]
    is_database: bool = False


@dataclass(frozen=True)
class Group:
    """A part of the list that can be folded; ``counts`` are of the whole group, though not all may be on this page."""

    key: str
    title: str
    meaning: str
    is_database: bool
    counts: tuple[tuple[Shelf, int], ...]
    sections: tuple[Section, ...]

    @property
    def total(self) -> int:
        """How many findings the whole group has."""
        return sum(count for _, count in self.counts)


@dataclass(frozen=True)
class Tally:
    """How many findings match the text, on each shelf and in each database (None: servers)."""

    rows: tuple[tuple[UUID | None, Shelf, int], ...]

    def of(self, *, shelf: Shelf | None = None, database: UUID | None | str = "any") -> int:
        """Count those on one shelf, in one place, or all."""
        return sum(
            count
            for place, its_shelf, count in self.rows
            if (shelf is None or its_shelf is shelf) and (database == "any" or place == database)
        )

    @property
    def shelves(self) -> list[tuple[Shelf, str, int]]:
        """Every shelf that holds anything, with its label."""
        return [(shelf, SHELF_LABELS[shelf], count) for shelf in Shelf if (count := self.of(shelf=shelf))]


@dataclass(frozen=True)
class FindingPage:
    """A page of the list, and what it is counted from."""

    tally: Tally
    page: Page[MigrationFinding]
    groups: tuple[Group, ...]


def findings_of(migration_id: UUID) -> QuerySet[MigrationFinding]:
    """Return the findings in the order in which they should be read, the worst first."""
    return _rows(migration_id).order_by(RANK, F("database__source_name").asc(nulls_first=True), "subject", "pk")


def finding_page(migration_id: UUID, *, only: FindingFilter, page: str | int = 1) -> FindingPage:
    """Return one page of the list (two queries, however many there are)."""
    tally = tally_of(migration_id, text=only.text)
    scripts = {"script": Left("fix_sql", SCRIPT_SHOWN), "script_length": Length("fix_sql")}
    listed = _rows(migration_id).defer("fix_sql", *DATABASE_DEFERRED).annotate(**scripts)
    rows = _ordered(_matching(listed, text=only.text), grouping=only.grouping)
    if only.shelf is not None:
        rows = rows.filter(shelf_is(only.shelf))
    paginator = Paginator(rows, FINDINGS_PER_PAGE)
    paginator.count = tally.of(shelf=only.shelf)  # it would ask the database once more
    shown = paginator.get_page(page)
    urgent = 0 < tally.of(shelf=Shelf.FAILED) <= OPENED_AT_ONCE
    lines = [_line(row, opens_failed=urgent) for row in shown.object_list]
    return FindingPage(tally=tally, page=shown, groups=tuple(_groups(lines, only=only, tally=tally)))


def tally_of(migration_id: UUID, *, text: str = "") -> Tally:
    """Count the findings that match ``text`` (one query)."""
    rows = _matching(MigrationFinding.objects.filter(migration_id=migration_id), text=text).order_by()
    counted = rows.annotate(is_accepted=Q(accepted_at__isnull=False)).values_list("database_id", "level", "is_accepted")
    found = counted.annotate(count=Count("pk"))
    return Tally(tuple((place, _shelf(level, accepted), count) for place, level, accepted, count in found))


def shelf_is(shelf: Shelf) -> Q:
    """Return the condition for a shelf."""
    if shelf is Shelf.ACCEPTED:
        return Q(accepted_at__isnull=False)
    return Q(level=shelf.value, accepted_at__isnull=True)


def shelf_of(row: MigrationFinding) -> Shelf:
    """Return the shelf of one finding."""
    return _shelf(row.level, row.accepted_at is not None)


RANK = Case(
    *(When(shelf_is(shelf), then=Value(number)) for number, shelf in enumerate(Shelf)),
    default=Value(len(Shelf)),
    output_field=IntegerField(),
)


def _shelf(level: str, is_accepted: bool) -> Shelf:
    return Shelf.ACCEPTED if is_accepted else Shelf(level)


def _rows(migration_id: UUID) -> QuerySet[MigrationFinding]:
    rows = MigrationFinding.objects.filter(migration_id=migration_id).select_related("database", "accepted_by")
    return rows.defer(*DATABASE_DEFERRED)


def _matching(rows: QuerySet[MigrationFinding], *, text: str) -> QuerySet[MigrationFinding]:
    if not text:
        return rows
    return rows.filter(
        Q(code__icontains=text)
        | Q(subject__icontains=text)
        | Q(saw__icontains=text)
        | Q(database__source_name__icontains=text)
    )


def _ordered(rows: QuerySet[MigrationFinding], *, grouping: Grouping) -> QuerySet[MigrationFinding]:
    """By level, or by place with the object first about which the worst is known."""
    place = F("database__source_name").asc(nulls_first=True)
    if grouping is Grouping.LEVEL:
        return rows.order_by(RANK, place, "subject", "pk")
    worst: Any = Window(Min(RANK), partition_by=[F("database_id"), F("subject")])
    return rows.order_by(place, worst, "subject", RANK, "pk")


def _line(row: Any, *, opens_failed: bool) -> FindingLine:
    """``row`` is a finding with its ``script`` and ``script_length``."""
    return FindingLine(
        row=row,
        title=code_titles().get(row.code, ""),
        is_acceptable=row.level in ACCEPTABLE and row.accepted_at is None,
        is_urgent=opens_failed and row.level == Level.FAILED,
        script=row.script,
        script_length=row.script_length,
    )


def code_titles() -> dict[str, str]:
    """Return what each code of the validation means, in a few words."""
    return {code.number: code.title for code in all_codes()}


def _groups(lines: Sequence[FindingLine], *, only: FindingFilter, tally: Tally) -> Iterable[Group]:
    if only.grouping is Grouping.LEVEL:
        for shelf, of_shelf in groupby(lines, key=lambda line: shelf_of(line.row)):
            yield _level_group(shelf, list(of_shelf), count=tally.of(shelf=shelf))
        return
    for place, of_place in groupby(lines, key=lambda line: line.row.database_id):
        yield _place_group(place, list(of_place), only=only, tally=tally)


def _level_group(shelf: Shelf, lines: Sequence[FindingLine], *, count: int) -> Group:
    sections = [
        Section(name or SERVERS, tuple(found), is_database=bool(name))
        for name, found in groupby(lines, key=lambda line: _place(line.row))
    ]
    if len(sections) == 1 and sections[0].title == SERVERS:
        sections = [replace(sections[0], title="")]
    return Group(
        key=f"level-{shelf}",
        title=SHELF_LABELS[shelf],
        meaning=SHELF_MEANING[shelf],
        is_database=False,
        counts=((shelf, count),),
        sections=tuple(sections),
    )


def _place_group(place: UUID | None, lines: Sequence[FindingLine], *, only: FindingFilter, tally: Tally) -> Group:
    shelves = [only.shelf] if only.shelf else list(Shelf)
    counts = [(shelf, tally.of(shelf=shelf, database=place)) for shelf in shelves]
    return Group(
        key=f"place-{place or 'servers'}",
        title=_place(lines[0].row) or SERVERS,
        meaning="",
        is_database=place is not None,
        counts=tuple((shelf, count) for shelf, count in counts if count),
        sections=tuple(_sections_by_subject(lines)),
    )


def _sections_by_subject(lines: Sequence[FindingLine]) -> Iterable[Section]:
    """Several findings about one object stand under its name; single ones follow each other without headings."""
    single: list[FindingLine] = []
    for subject, found in groupby(lines, key=lambda line: line.row.subject):
        about = tuple(found)
        if len(about) == 1:
            single.extend(about)
            continue
        if single:
            yield Section("", tuple(single))
            single = []
        yield Section(subject, about)
    if single:
        yield Section("", tuple(single))


def _place(row: MigrationFinding) -> str:
    return row.database.source_name if row.database else ""
