"""The scripts that mend: one for each server, read by psql, with nothing in them that runs by accident."""

from __future__ import annotations

import pytest
from django.utils import timezone

from migrations_app.engine.spec import Side
from migrations_app.models import Migration, MigrationDatabase, MigrationFinding
from migrations_app.selectors.fixes import fixes_file_name, fixes_script
from tests.portal import sample_rows as rows

pytestmark = pytest.mark.django_db

ON_SOURCE = {"side": "source", "fix": "Run the script on the source.", "fix_sql": "SELECT 'source';"}
ON_TARGET = {
    "side": "target",
    "fix": "Run the script on the target as an administrator.",
    "fix_sql": "SELECT 'target';",
}


@pytest.fixture
def owner() -> Migration:
    return rows.migration("shop-move")


def database(owner: Migration, name: str, target_name: str = "") -> MigrationDatabase:
    return MigrationDatabase.objects.create(migration=owner, source_name=name, target_name=target_name or name)


def add(owner: Migration, code: str, place: MigrationDatabase | None = None, **fields: object) -> MigrationFinding:
    values = {"level": "Warning", "subject": f"Object of {code}", "saw": "seen", "phase": "validation"} | fields
    return MigrationFinding.objects.create(migration=owner, code=code, database=place, **values)


def runs(script: str) -> list[str]:
    return [line for line in script.split("\n") if line and not line.startswith("--")]


def test_each_server_has_its_own_script_that_connects_to_each_database(owner: Migration) -> None:
    shop, crm = database(owner, "shop", "shop_new"), database(owner, 'c"rm')
    add(owner, "PM1", shop, **ON_SOURCE)
    add(owner, "PM2", crm, **ON_SOURCE)
    add(owner, "PM3", shop, **ON_TARGET)
    add(owner, "PM4", **ON_SOURCE)
    source, target = (fixes_script(owner, side=side) for side in Side)
    stop, mend = "\\set ON_ERROR_STOP on", "SELECT 'source';"
    assert runs(source) == [
        stop, '\\connect "c""rm"', mend, '\\connect "postgres"', mend, '\\connect "shop"', mend
    ]  # fmt: skip
    assert runs(target) == [stop, '\\connect "postgres"', "SELECT 'target';"]
    assert "-- PM1 Warning: Object of PM1 in database shop" in source


def test_it_can_be_limited_to_one_database(owner: Migration) -> None:
    shop, crm = database(owner, "shop"), database(owner, "crm")
    add(owner, "PM1", shop, **ON_SOURCE)
    add(owner, "PM2", crm, **ON_SOURCE)
    script = fixes_script(owner, side=Side.SOURCE, database="crm")
    assert "PM2" in script
    assert "PM1" not in script
    assert fixes_file_name(owner, side=Side.SOURCE, database='a"b\n') == "shop-move-fixes-source-a_b_.sql"


def test_what_is_no_sql_or_is_accepted_or_unclear_is_a_comment(owner: Migration) -> None:
    add(owner, "PM1", side="target", fix="Enlarge the target's storage.")
    add(owner, "PM2", accepted_at=timezone.now(), accepted_reason="Known.", **ON_TARGET)
    add(owner, "PM3", fix="Install it on the target; or drop it on the source.", fix_sql="DROP EXTENSION x;")
    script = fixes_script(owner, side=Side.TARGET)
    assert runs(script) == ["\\set ON_ERROR_STOP on"]
    for line in ("-- Fix: Enlarge the target's storage.", "-- Accepted: Known.", "-- DROP EXTENSION x;"):
        assert line in script


def test_what_is_to_be_done_after_the_migration_comes_last(owner: Migration) -> None:
    shop = database(owner, "a_first")
    add(owner, "PM1", shop, **ON_TARGET | {"script_use": "after", "fix_sql": "SELECT 'later';"})
    add(owner, "PM2", **ON_TARGET)
    script = fixes_script(owner, side=Side.TARGET)
    assert script.index("'target'") < script.index("-- After the migration") < script.index("'later'")


def test_a_script_for_both_servers_is_in_both(owner: Migration) -> None:
    add(owner, "PM1", side="both", fix="Set it on both servers.", fix_sql="SELECT 'both';")
    assert all("SELECT 'both';" in runs(fixes_script(owner, side=side)) for side in Side)


def test_what_a_person_has_to_decide_never_runs(owner: Migration) -> None:
    add(owner, "PM1", side="source", script_use="choice", fix="Wait, or end it.", fix_sql="SELECT 'kill';")
    script = fixes_script(owner, side=Side.SOURCE)
    assert runs(script) == ["\\set ON_ERROR_STOP on"]
    assert "-- SELECT 'kill';" in script


def test_a_script_runs_in_a_database_that_is_there(owner: Migration) -> None:
    shop = database(owner, "shop", "shop_new")
    add(owner, "PM1", shop, **ON_TARGET)
    add(owner, "PM2", shop, **ON_TARGET | {"script_database": "template1", "fix_sql": "SELECT 'pattern';"})
    add(owner, "PM3", shop, **ON_TARGET | {"script_use": "after", "fix_sql": "SELECT 'later';"})
    add(owner, "PM4", shop, **ON_TARGET | {"phase": "copy", "fix_sql": "SELECT 'restored';"})
    assert [line for line in runs(fixes_script(owner, side=Side.TARGET)) if "connect" not in line][1:] == [
        "SELECT 'target';", "SELECT 'restored';", "SELECT 'pattern';", "SELECT 'later';"
    ]  # fmt: skip
    connects = [line for line in runs(fixes_script(owner, side=Side.TARGET)) if "connect" in line]
    assert connects == [f'\\connect "{name}"' for name in ("postgres", "shop_new", "template1", "shop_new")]


def test_a_script_with_a_gap_never_runs(owner: Migration) -> None:
    add(owner, "PM1", side="target", fix="Set a password.", fix_sql="ALTER ROLE app PASSWORD '…';")
    script = fixes_script(owner, side=Side.TARGET)
    assert runs(script) == ["\\set ON_ERROR_STOP on"]
    assert "-- ALTER ROLE app PASSWORD '…';" in script


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\u2028", "\x0b"])
def test_text_of_a_finding_cannot_leave_its_comment(owner: Migration, line_end: str) -> None:
    evil = f"{line_end}DROP TABLE orders;"
    add(owner, "PM1", side="source", subject=f"Table x{evil}", saw=f"seen{evil}", fix=f"Run it.{evil}",
        fix_sql="SELECT 1;")  # fmt: skip
    add(owner, "PM2", subject="b", fix_sql=f"SELECT 2;{evil}")
    script = fixes_script(owner, side=Side.SOURCE)
    assert runs(script) == ["\\set ON_ERROR_STOP on", '\\connect "postgres"', "SELECT 1;"]
    assert "\r" not in script


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a=b", "\\connect \"dbname='a=b'\""),
        ("a='b", "\\connect \"dbname='a=\\'b'\""),
        ("a\nb", "\\quit"),
    ],
)
def test_a_strange_name_of_a_database_is_never_taken_for_something_else(owner: Migration, name: str, line: str) -> None:
    add(owner, "PM1", database(owner, name), **ON_SOURCE)
    assert runs(fixes_script(owner, side=Side.SOURCE))[1] == line
