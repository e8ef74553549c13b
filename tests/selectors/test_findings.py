"""Findings are read from the worst down; their fixes are one script that cannot do harm by itself."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from migrations_app.models import MigrationFinding
from migrations_app.selectors.findings import findings_of, fixes_sql, grouped, level_counts
from tests.portal import sample_rows as rows

pytestmark = pytest.mark.django_db


def test_levels_come_from_the_worst_down() -> None:
    migration = rows.validation_failed()
    levels = grouped(findings_of(migration.pk), counts=level_counts(migration.pk))
    assert [level.level.value for level in levels] == ["Failed", "CouldNotCheck", "Warning", "Info"]
    assert levels[0].subjects[0].database == "shop"


def test_findings_about_one_object_stand_together() -> None:
    migration = rows.migration("shop")
    for code, subject in (("PM2", "Table b"), ("PM1", "Table a"), ("PM3", "Table b")):
        MigrationFinding.objects.create(migration=migration, code=code, level="Warning", subject=subject, saw="x")
    (level,) = grouped(findings_of(migration.pk), counts={"Warning": 3})
    assert [(group.subject, len(group.findings)) for group in level.subjects] == [("Table a", 1), ("Table b", 2)]


def test_a_slice_is_ranked_and_cut_by_the_database_and_a_level_still_counts_all() -> None:
    migration = rows.validation_failed()
    for number in range(3):
        MigrationFinding.objects.create(migration=migration, code=f"PM{number}", level="Failed", subject="b", saw="x")
    with CaptureQueriesContext(connection) as queries:
        levels = grouped(findings_of(migration.pk)[:2], counts=level_counts(migration.pk))
    assert [(level.level.value, level.count) for level in levels] == [("Failed", 4)]
    assert sum(len(group.findings) for group in levels[0].subjects) == 2
    assert any("LIMIT 2" in query["sql"] for query in queries)


def test_the_script_names_what_each_fix_is_for() -> None:
    script = fixes_sql(rows.validation_failed())
    assert "-- 603405 Failed: Extension postgis in database shop" in script
    assert "ALTER SYSTEM SET azure.extensions = 'postgis';" in script
    assert "2 of 4 findings have a fix in SQL" in script


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\u2028", "\x0b"])
def test_text_of_a_finding_cannot_leave_its_comment(line_end: str) -> None:
    migration = rows.migration("evil")
    MigrationFinding.objects.create(
        migration=migration,
        code="PM1",
        level="Failed",
        subject=f"Table x{line_end}DROP TABLE orders;",
        saw=f"seen{line_end}DROP TABLE orders;",
        fix=f"mend{line_end}DROP TABLE orders;",
        fix_sql="SELECT 1;",
    )
    statements = [line for line in fixes_sql(migration).split("\n") if line and not line.startswith("--")]
    assert statements == ["SELECT 1;"]
    assert "\r" not in fixes_sql(migration)
