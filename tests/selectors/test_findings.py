"""Findings are counted, filtered and grouped in a few queries, however many there are."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from migrations_app.models import Migration, MigrationDatabase, MigrationFinding
from migrations_app.selectors.findings import FindingFilter, Grouping, Shelf, finding_page, findings_of
from tests.portal import sample_rows as rows

pytestmark = pytest.mark.django_db


def add(owner: Migration, code: str, subject: str, *, level: str = "Warning", **fields: object) -> MigrationFinding:
    return MigrationFinding.objects.create(
        migration=owner, code=code, level=level, subject=subject, saw="x", phase="validation", **fields
    )


def test_the_worst_is_read_first_and_what_is_accepted_after_what_is_open() -> None:
    migration = rows.validation_failed()
    MigrationFinding.objects.filter(level="Warning").update(accepted_at=timezone.now(), accepted_reason="Known.")
    add(migration, "PM1", "Table a")
    assert [row.code for row in findings_of(migration.pk)] == ["603405", "PM0044", "PM1", "PM0031", "PM0050"]


def test_by_place_the_servers_come_first_and_then_each_database() -> None:
    migration = rows.validation_failed()
    found = finding_page(migration.pk, only=FindingFilter())
    assert [(group.title, group.total) for group in found.groups] == [("Servers and roles", 3), ("shop", 1)]
    assert found.groups[1].is_database
    assert found.groups[0].counts == ((Shelf.UNKNOWN, 1), (Shelf.WARNING, 1), (Shelf.INFO, 1))


def test_findings_about_one_object_stand_together_under_its_name() -> None:
    migration = rows.migration("shop")
    for code, subject, level in (("PM2", "b", "Info"), ("PM1", "a", "Warning"), ("PM3", "b", "Failed")):
        add(migration, code, subject, level=level)
    (group,) = finding_page(migration.pk, only=FindingFilter()).groups
    listed = [(section.title, [line.row.code for line in section.lines]) for section in group.sections]
    assert listed == [("b", ["PM3", "PM2"]), ("", ["PM1"])]


def test_by_level_each_shelf_is_a_group() -> None:
    migration = rows.validation_failed()
    MigrationFinding.objects.filter(level="Warning").update(accepted_at=timezone.now())
    found = finding_page(migration.pk, only=FindingFilter(grouping=Grouping.LEVEL))
    titles = ["Failed", "Could not check", "Accepted", "For information"]
    assert [group.title for group in found.groups] == titles
    assert found.tally.of(shelf=Shelf.WARNING) == 0


def test_level_and_text_filter_together_and_the_counts_follow_the_text() -> None:
    migration = rows.validation_failed()
    add(migration, "PM9", "Table postgis_old")
    only = FindingFilter(text="postgis", shelf=Shelf.WARNING)
    found = finding_page(migration.pk, only=only)
    assert [line.row.code for group in found.groups for s in group.sections for line in s.lines] == ["PM9"]
    assert found.tally.shelves == [(Shelf.FAILED, "Failed", 1), (Shelf.WARNING, "Warnings", 1)]
    assert finding_page(migration.pk, only=FindingFilter(text="shop")).page.paginator.count == 1  # the database's name


@pytest.mark.parametrize("grouping", list(Grouping))
def test_five_thousand_findings_cost_two_queries_a_page(grouping: Grouping) -> None:
    migration = rows.migration("large")
    names = [f"db{number}" for number in range(10)]
    databases = MigrationDatabase.objects.bulk_create(
        [MigrationDatabase(migration=migration, source_name=name, target_name=name) for name in names]
    )
    levels = ("Failed", "Warning", "Info")
    MigrationFinding.objects.bulk_create(
        MigrationFinding(
            migration=migration, database=databases[n % 10], code=f"PM{n % 40}", level=levels[n % 3],
            subject=f"Table {n}", saw="x", phase="validation",
        )
        for n in range(5000)
    )  # fmt: skip
    with CaptureQueriesContext(connection) as queries:
        found = finding_page(migration.pk, only=FindingFilter(grouping=grouping), page="3")
        names = [line.row.database.source_name for g in found.groups for s in g.sections for line in s.lines]  # type: ignore[union-attr]
    assert (len(queries), len(names), found.page.paginator.num_pages) == (2, 100, 50)
    assert found.groups[0].total in (500, 1667)
