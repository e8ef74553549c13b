"""On the command line: list findings, write their fixes, check again, accept; and wait at warnings if told to."""

from __future__ import annotations

import json

import pytest

from migrations_app.models import FindingCheck, Migration, MigrationEvent, MigrationFinding, State, Substate
from migrations_app.services.importing import InvalidMigrationFile, migration_from_azure_json
from tests.cli.conftest import Command
from tests.portal import sample_rows as rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(db: None) -> Migration:
    """It waits until two warnings are accepted."""
    migration = rows.validation_failed("geo")
    migration.findings.update(phase="validation")
    migration.findings.filter(level="Failed").delete()
    Migration.objects.update(
        state=State.WAITING_FOR_USER, substate=Substate.WAITING_FOR_ACCEPTANCE, at_warnings="wait", ended_at=None
    )
    return migration


def test_accepting_the_last_warning_lets_it_go_on(waiting: Migration, migration_command: Command) -> None:
    first = migration_command("accept", "geo", "--code", "PM0031", "--reason", "Known.")
    assert "1 accepted, 1 open" in first.err
    migration_command("accept", "geo", "--all", "--reason", "Known too.")
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED
    row = MigrationFinding.objects.get(code="PM0031")
    assert (row.accepted_by, row.accepted_reason) == (None, "Known.")
    assert "@" in row.accepted_from
    assert MigrationEvent.objects.filter(message__contains="Reason: Known. (").exists()


def test_an_acceptance_is_taken_back(waiting: Migration, migration_command: Command) -> None:
    migration_command("accept", "geo", "--code", "PM0031", "--reason", "Known.")
    migration_command("accept", "geo", "--code", "PM0031", "--undo")
    assert MigrationFinding.objects.get(code="PM0031").accepted_at is None


def test_nothing_is_accepted_by_accident(waiting: Migration, migration_command: Command) -> None:
    assert migration_command("accept", "geo", "--reason", "All?").code == 2
    assert migration_command("accept", "geo", "--code", "PM9999", "--reason", "x").code == 2
    assert migration_command("accept", "geo", "--all", "--reason", " ").code == 2
    assert not MigrationFinding.objects.filter(accepted_at__isnull=False).exists()


def test_findings_are_listed_by_level_and_as_json(waiting: Migration, migration_command: Command) -> None:
    migration_command("accept", "geo", "--code", "PM0031", "--reason", "Known.")
    shown = migration_command("findings", "geo", "--level", "Accepted").out
    assert "Role batch" in shown
    assert "Accepted: Known." in shown
    assert "audit_log" not in shown
    listed = json.loads(migration_command("findings", "geo", "--output", "json").out)
    assert {row["code"]: row["accepted_reason"] for row in listed}["PM0031"] == "Known."


def test_fixes_are_written_for_one_server(waiting: Migration, migration_command: Command) -> None:
    script = migration_command("findings", "geo", "--fixes", "target").out
    assert "\\set ON_ERROR_STOP on" in script
    assert "ALTER ROLE batch PASSWORD 'choose one';" in script
    assert migration_command("findings", "geo", "--fixes", "target", "--database", "none").code == 2


def test_a_check_is_asked_for(waiting: Migration, migration_command: Command) -> None:
    migration_command("check", "geo")
    assert FindingCheck.objects.get().codes == []
    assert migration_command("check", "geo", "--code", "PM9999").code == 2


def test_a_file_may_say_what_to_do_at_warnings() -> None:
    def read(word: str) -> str | None:
        return migration_from_azure_json(json.dumps({"properties": {"atWarnings": word}})).at_warnings

    assert (read("wait"), read("Go_On"), read("")) == ("wait", "go_on", None)
    with pytest.raises(InvalidMigrationFile, match="atWarnings"):
        read("perhaps")
