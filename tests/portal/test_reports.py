"""The report is proof that somebody can keep: complete, stable in shape, honest about what nobody knows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from migrations_app.models import Migration, MigrationFinding, VerificationResult
from migrations_app.services.reports import report_for
from tests.portal import sample_rows as rows

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]
KEYS = {
    "format", "format_version", "generated_at", "portal_version", "migration", "source", "target", "settings", "steps",
    "totals", "verification", "databases", "findings", "events", "online", "azure",
}  # fmt: skip


@pytest.fixture
def viewer(lee: User, client_of: ClientOf) -> Client:
    """Lee, who may only look."""
    return client_of(lee)


def words(html: str) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_the_report_says_what_was_done_by_whom_and_with_what_result(dana: User) -> None:
    report = report_for(rows.succeeded(by=dana))
    assert set(report) == KEYS
    assert (report["format"], report["format_version"]) == ("postgresql-migration-portal/report", 1)
    migration = report["migration"]
    assert (migration["started_by"], migration["started_from"], migration["state"]) == ("dana", "10.1.2.3", "Succeeded")
    assert migration["elapsed_seconds"] == 280
    assert report["verification"]["result"] == "identical"
    assert report["verification"]["counts"] == {"different": 0, "could_not_verify": 0, "identical": 13}
    assert [step["step"] for step in report["steps"]] == [
        "validate", "roles", "schema", "copy", "indexes", "constraints", "verify",
    ]  # fmt: skip
    (database,) = report["databases"]
    assert (database["source_name"], database["verified"], len(database["objects"])) == ("billing", "identical", 13)


def test_json_holds_the_report_and_its_times_are_utc(dana: User) -> None:
    report = json.loads(json.dumps(report_for(rows.succeeded(by=dana))))
    started = parse_datetime(report["migration"]["started_at"])
    assert started is not None
    assert report["migration"]["started_at"].endswith("+00:00")
    assert report["source"]["port"] == 5432


@pytest.mark.parametrize("verified", ["identical", "different", "could_not_verify"])
def test_the_worst_result_is_the_result(verified: str) -> None:
    assert report_for(rows.succeeded(verified=verified))["verification"]["result"] == verified


def test_what_was_not_compared_is_not_identical() -> None:
    migration = rows.succeeded(verified="")
    VerificationResult.objects.all().delete()
    report = report_for(migration)
    assert report["verification"]["result"] == "not_verified"
    assert report["databases"][0]["verified"] == "not_verified"


def test_one_database_that_is_not_proved_spoils_the_whole() -> None:
    migration = rows.succeeded()
    rows.add_database(migration, "second", tables=1, done=1, verified="")
    assert report_for(migration)["verification"]["result"] == "not_verified"


def test_the_azure_part_has_microsofts_shape(dana: User) -> None:
    migration = rows.failed(by=dana)
    properties = report_for(migration)["azure"]["properties"]
    assert properties["sourceDbServerResourceId"] == "crm-move.abc123.eu-west-1.rds.amazonaws.com:5432@dbadmin"
    assert (properties["migrationMode"], properties["sslMode"]) == ("Offline", "Prefer")
    assert properties["dbsToMigrate"] == ["crm"]
    assert properties["overwriteDbsInTarget"] == "False"
    status = properties["currentStatus"]
    assert (status["state"], status["error"]) == ("Failed", "The disk of the target is full.")
    assert status["currentSubStateDetails"]["currentSubState"] == "Completed"
    details = status["currentSubStateDetails"]["dbDetails"]["crm"]
    assert (details["fullLoadCompletedTables"], details["fullLoadErroredTables"], details["fullLoadQueuedTables"]) == (
        6,
        1,
        2,
    )
    assert details["message"] == "The disk of the target is full."
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", details["startedOn"])


def test_the_azure_part_files_findings_under_microsofts_checks() -> None:
    status = report_for(rows.validation_failed())["azure"]["properties"]["currentStatus"]
    assert status["state"] == "ValidationFailed"
    validation = status["validationDetails"]
    assert validation["status"] == "Failed"
    (database,) = validation["dbLevelValidationDetails"]
    checks = {item["type"]: item for item in database["summary"]}
    assert (checks["ExtensionsValidation"]["state"], checks["SchemaValidation"]["state"]) == ("Failed", "Succeeded")
    assert "postgis" in checks["ExtensionsValidation"]["messages"][0]["message"]
    server = {item["type"]: item["state"] for item in validation["serverLevelValidationDetails"]}
    assert server["AuthenticationAndConnectivityValidation"] == "Warning"


def test_the_azure_part_reads_what_the_engine_writes_and_what_people_accepted(dana: User) -> None:
    migration = rows.validation_failed()
    migration.findings.update(phase="validation")  # the engine's word for it
    values = {"accepted_at": timezone.now(), "accepted_by": dana, "accepted_reason": "New ones are set on Monday."}
    migration.findings.filter(code="PM0031").update(**values)
    report = report_for(migration)
    validation = report["azure"]["properties"]["currentStatus"]["validationDetails"]
    assert validation["status"] == "Failed"
    types = [item["type"] for item in validation["serverLevelValidationDetails"]]
    assert types == ["AuthenticationAndConnectivityValidation", "SourceVersionValidation", "ServerParametersValidation"]
    summary = [item["type"] for item in validation["dbLevelValidationDetails"][0]["summary"]]
    assert summary == ["SchemaValidation", "ExtensionsValidation", "CollationsValidation"]
    messages = validation["serverLevelValidationDetails"][0]["messages"]
    assert any(each["message"].endswith("Accepted: New ones are set on Monday.") for each in messages)
    accepted = next(row for row in report["findings"] if row["code"] == "PM0031")
    assert (accepted["accepted_by"], accepted["accepted_reason"]) == ("dana", "New ones are set on Monday.")
    assert parse_datetime(accepted["accepted_at"])


def test_the_azure_part_claims_no_success_before_anything_was_validated() -> None:
    status = report_for(rows.migration("new"))["azure"]["properties"]["currentStatus"]
    assert status["validationDetails"] is None


@pytest.mark.parametrize(
    ("kind", "microsofts"), [("AWS_RDS", "AWS_RDS"), ("Neon", "OnPremises"), ("Aiven", "OnPremises")]
)
def test_the_azure_part_names_only_kinds_that_microsoft_knows(kind: str, microsofts: str) -> None:
    report = report_for(rows.migration("new", source_type=kind))
    assert report["azure"]["properties"]["sourceType"] == microsofts
    assert report["migration"]["source_type"] == kind


def test_a_fix_says_on_which_server_its_script_runs(viewer: Client) -> None:
    migration = rows.validation_failed()
    assert {row["code"]: row["side"] for row in report_for(migration)["findings"]}["PM0031"] == "target"
    text = words(viewer.get(reverse("migration-report", args=[migration.pk])).content.decode())
    assert "Script for the target server: ALTER ROLE batch" in text
    page = viewer.get(reverse("migration", args=[migration.pk]), {"tab": "findings"}).content.decode()
    assert "Script for the target server" in page


def test_the_page_names_who_accepted_what_and_why(viewer: Client, dana: User) -> None:
    migration = rows.validation_failed()
    values = {"accepted_at": timezone.now(), "accepted_by": dana, "accepted_reason": "Known."}
    migration.findings.filter(code="PM0031").update(**values)
    text = words(viewer.get(reverse("migration-report", args=[migration.pk])).content.decode())
    assert "Warning, accepted PM0031" in text
    assert re.search(r"Accepted \d{4}-\d\d-\d\d \d\d:\d\d by dana: Known\.", text)


def test_the_number_of_queries_does_not_grow_with_the_migration(dana: User) -> None:
    small, large = rows.succeeded("small", by=dana), rows.succeeded("large", by=dana)
    for number in range(5):
        rows.add_results(rows.add_database(large, f"more{number}", tables=30, done=30), worst="different")
    counts = []
    for migration in (small, large):
        with CaptureQueriesContext(connection) as queries:
            report_for(Migration.objects.select_related("source", "target", "created_by").get(pk=migration.pk))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 6


def test_the_page_explains_itself(viewer: Client, dana: User) -> None:
    migration = rows.succeeded(by=dana, verified="different")
    rows.add_findings(migration, migration.databases.get())
    text = words(viewer.get(reverse("migration-report", args=[migration.pk])).content.decode())
    for expected in (
        "Different. 1 object differs between source and target.",
        "Started by dana from 10.1.2.3",
        "order-independent hash",
        "one consistent snapshot",
        "public.invoices ✗ Different 6,710,886 rows, hash 88f2c1d0e7 6,710,884 rows, hash 0042aa17bc",
        "Missing on the target: id = 4711",
        "Table: 8 identical, 1 not proved",
        "Sequence: 4 identical",
        "PostgreSQL 15.4, as user",
        "treat it as open",
        "4 min 40 s",
        "603405",
    ):
        assert expected in text


def test_the_page_counts_what_is_identical_and_the_file_lists_it(viewer: Client) -> None:
    migration = rows.succeeded(verified="different")
    page = words(viewer.get(reverse("migration-report", args=[migration.pk])).content.decode())
    file = words(viewer.get(reverse("migration-report-file", args=[migration.pk])).content.decode())
    assert "sales.customers" not in page
    assert "public.id_3" not in page
    assert "sales.customers ✓ Identical" in file
    assert "public.id_3 ✓ Identical" in file


def test_a_servers_compiler_is_in_no_page(viewer: Client) -> None:
    migration = rows.succeeded()
    migration.source.facts["settings"]["version_text"] = "PostgreSQL 18.6 on x86_64-linux, compiled by gcc 14.2"
    migration.source.save()
    settings = f"{reverse('migration', args=[migration.pk])}?tab=settings"
    for url in (settings, reverse("migration-report", args=[migration.pk])):
        text = words(viewer.get(url).content.decode())
        assert "18.6" in text
        assert "gcc" not in text
        assert "PostgreSQL PostgreSQL" not in text


def test_downloads_are_named_after_the_migration(viewer: Client) -> None:
    migration = rows.succeeded()
    response = viewer.get(reverse("migration-report-json", args=[migration.pk]))
    assert response["Content-Disposition"] == 'attachment; filename="billing-report.json"'
    assert json.loads(response.content)["migration"]["name"] == "billing"
    response = viewer.get(reverse("migration-report-file", args=[migration.pk]))
    assert response["Content-Disposition"] == 'attachment; filename="billing-report.html"'


def test_the_html_file_needs_nothing_else(viewer: Client) -> None:
    html = viewer.get(reverse("migration-report-file", args=[rows.succeeded().pk])).content.decode()
    assert "<style>" in html
    assert "--good" in html
    assert not re.search(r"<(script|link|img|iframe)\b", html)
    assert "/static/" not in html


def test_text_from_servers_is_text(viewer: Client) -> None:
    migration = rows.succeeded()
    evil = "</style><script>alert(1)</script>"
    VerificationResult.objects.filter(object_class="table").update(detail=evil, result="different")
    MigrationFinding.objects.create(
        migration=migration, code="PM1", level="Info", subject=evil, saw=evil, statement=evil
    )
    for name in ("migration-report", "migration-report-file"):
        assert b"<script>alert" not in viewer.get(reverse(name, args=[migration.pk])).content


def test_no_report_shows_a_secret(viewer: Client) -> None:
    for migration in (rows.succeeded(), rows.failed(), rows.running()):
        for name in ("migration-report", "migration-report-file", "migration-report-json"):
            assert b"sealed-password" not in viewer.get(reverse(name, args=[migration.pk])).content


def test_a_report_of_a_running_migration_says_that_it_is_not_the_end(viewer: Client) -> None:
    html = viewer.get(reverse("migration-report", args=[rows.running().pk])).content.decode()
    assert "The migration has not ended" in html


def test_only_people_with_a_role_read_reports(client: Client, eve: User, client_of: ClientOf) -> None:
    migration = rows.succeeded()
    for name in ("migration-report", "migration-report-file", "migration-report-json"):
        url = reverse(name, args=[migration.pk])
        assert client.get(url).status_code == 302
        assert client_of(eve).get(url).status_code == 403
