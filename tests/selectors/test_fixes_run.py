"""The script of all fixes, run by psql on a server with much to mend: it comes to its end, and the findings are gone."""

from __future__ import annotations

from dataclasses import fields

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.spec import Side
from migrations_app.models import Migration, MigrationDatabase, MigrationFinding
from migrations_app.selectors.fixes import fixes_script
from tests.engine.validating import validated
from tests.fixtures.providers import PlayedServer, conditions, play
from tests.fixtures.servers import ServerPool
from tests.portal import sample_rows as rows

pytestmark = pytest.mark.django_db

BROKEN = (
    conditions.table_of_another_role,
    conditions.row_security_table,
    conditions.large_object_of_another_role,
    conditions.unlogged_table,
    conditions.extension_beyond_the_allow_list,
)


def store(migration: Migration, findings: list[Finding]) -> None:
    """Keep findings as rows."""
    places = {row.source_name: row for row in MigrationDatabase.objects.filter(migration=migration)}
    names = {field.name for field in fields(Finding)} - {"database_id"}
    for finding in findings:
        values = {name: str(getattr(finding, name)) for name in names}
        place = places.get(finding.database_id)
        MigrationFinding.objects.create(migration=migration, database=place, **values)


def failed(source: PlayedServer, target: PlayedServer, name: str) -> list[Finding]:
    """What the restricted administrators would fail at."""
    found = validated(source.admin(), target.admin(Side.TARGET), name)
    return [finding for finding in found if finding.level is Level.FAILED]


def test_all_fixes_at_once_mend_what_sql_mends(servers: ServerPool) -> None:
    source, target = play(servers, "rds", 17, name="mended"), play(servers, "azure", 18, name="matrix-target")
    with source.fresh_database() as name:
        for break_it in BROKEN:
            break_it(source, name)
        migration = rows.migration("mended")
        MigrationDatabase.objects.create(migration=migration, source_name=name, target_name=name)
        before = failed(source, target, name)
        store(migration, before)
        assert {finding.code for finding in before} == {"603110", "PM2001", "PM2002", "603108"}
        try:
            source.superuser(fixes_script(migration, side=Side.SOURCE))
            target.superuser(fixes_script(migration, side=Side.TARGET))
            assert {finding.code for finding in failed(source, target, name)} == {"603108"}  # a parameter of the portal
        finally:
            source.superuser(f"ALTER ROLE {source.profile.admin} NOBYPASSRLS")
            source.superuser(f"REVOKE {conditions.STRANGER} FROM {source.profile.admin}")
