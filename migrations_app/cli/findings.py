"""The commands about findings: list them, write their fixes, check them again, accept them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from migrations_app.cli.exits import CommandFailed, ExitCode
from migrations_app.cli.operating_person import operating_person, record
from migrations_app.cli.output import Output
from migrations_app.engine.spec import Side
from migrations_app.models import Migration, MigrationFinding
from migrations_app.selectors.findings import SHELF_LABELS, Shelf, findings_of, shelf_is, shelf_of
from migrations_app.selectors.fixes import fixes_script
from migrations_app.services.checks import check_ask
from migrations_app.services.consent import Person, finding_accept, finding_reopen, open_warnings
from migrations_app.services.reports import finding_as_dict


def findings_command(migration: Migration, arguments: dict[str, Any], *, output: Output) -> ExitCode:
    """Write the findings, or with ``--fixes`` the script for one server. Raises ``CommandFailed``."""
    database = _database(migration, arguments)
    if arguments["fixes"]:
        output.line(fixes_script(migration, side=Side(arguments["fixes"]), database=database).rstrip("\n"))
        return ExitCode.SUCCESS
    rows = findings_of(migration.pk)
    if database:
        rows = rows.filter(database__source_name=database)
    if arguments["level"]:
        rows = rows.filter(shelf_is(Shelf(arguments["level"])))
    if output.as_json:
        output.json([finding_as_dict(row) for row in rows])
    else:
        write_findings(list(rows), output=output)
    return ExitCode.SUCCESS


def write_findings(findings: list[MigrationFinding], *, output: Output) -> None:
    """Write a table of findings; nothing where there are none."""
    if not findings:
        return
    rows = [
        (
            SHELF_LABELS[Shelf.ACCEPTED] if finding.accepted_at else str(shelf_of(finding)),
            finding.code,
            finding.side,
            f"{finding.database.source_name}: {finding.subject}" if finding.database else finding.subject,
            " ".join(text for text in (finding.saw, finding.fix, _accepted(finding)) if text),
        )
        for finding in findings
    ]
    output.table(("Finding", "Code", "Server", "Object", "What was seen, and what to do"), rows)


def check_command(migration: Migration, arguments: dict[str, Any], *, output: Output) -> ExitCode:
    """Ask for one code's rules, or for all, to be run again. Raises ``ActionRefused`` or ``CommandFailed``."""
    finding = None
    if arguments["code"]:
        finding = findings_of(migration.pk).filter(code=arguments["code"]).first()
        if finding is None:
            raise CommandFailed(f"{migration.name} has no finding {arguments['code']}.", hint=_see(migration))
    check = check_ask(migration.pk, finding_id=finding.pk if finding else None)
    record(migration, "A check was asked for")
    output.aside(f"{migration.name}: a worker checks {check}. To see the result: {_see(migration)}")
    return ExitCode.SUCCESS


def accept_command(migration: Migration, arguments: dict[str, Any], *, output: Output) -> ExitCode:
    """Accept findings, or take that back. Raises ``ActionRefused`` or ``CommandFailed``."""
    by = Person(name=operating_person())
    rows = _chosen(migration, arguments)
    if not rows:
        raise CommandFailed(f"{migration.name} has no such finding.", hint=_see(migration))
    if arguments["undo"]:
        for row in rows:
            finding_reopen(migration.pk, row.pk, by=by)
        output.aside(f"{migration.name}: {len(rows)} not accepted any more.")
        return ExitCode.SUCCESS
    count = finding_accept(migration.pk, [row.pk for row in rows], reason=arguments["reason"], by=by)
    left = open_warnings(migration.pk).count()
    output.aside(f"{migration.name}: {count} accepted, {left} open.")
    return ExitCode.SUCCESS


def _chosen(migration: Migration, arguments: dict[str, Any]) -> list[MigrationFinding]:
    if not (arguments["all"] or arguments["code"] or arguments["subject"]):
        raise CommandFailed("Which findings?", hint="Name them with --code or --subject, or take --all.")
    rows: QuerySet[MigrationFinding] = findings_of(migration.pk).filter(accepted_at__isnull=not arguments["undo"])
    if database := _database(migration, arguments):
        rows = rows.filter(database__source_name=database)
    if arguments["code"]:
        rows = rows.filter(code=arguments["code"])
    if arguments["subject"]:
        rows = rows.filter(subject=arguments["subject"])
    elif arguments["all"] and not arguments["undo"]:
        rows = rows.filter(pk__in=open_warnings(migration.pk))
    return list(rows)


def _database(migration: Migration, arguments: dict[str, Any]) -> str:
    name: str = arguments["database"] or ""
    if name and not migration.databases.filter(source_name=name).exists():
        names = ", ".join(row.source_name for row in migration.databases.all())
        raise CommandFailed(f"{migration.name} has no database {name}.", hint=f"It has: {names}.")
    return name


def _accepted(finding: MigrationFinding) -> str:
    return f"Accepted: {finding.accepted_reason}" if finding.accepted_at else ""


def _see(migration: Migration) -> str:
    return f"python manage.py migration findings {migration.name}"
