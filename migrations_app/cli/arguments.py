"""The subcommands and their arguments; these help texts are the reference (docs/command-line.md is made from them)."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, _ArgumentGroup, _SubParsersAction
from typing import Any, TypeAlias

from migrations_app.cli import argument_types as types
from migrations_app.cli.online_arguments import ASKING, CLEAN_UP, add_asking, add_online
from migrations_app.cli.subcommand import Subcommand
from migrations_app.engine.spec import (
    AtWarnings,
    MigrationMode,
    MigrationOption,
    OnObjectError,
    RolePolicy,
    Side,
    VerificationLevel,
)
from migrations_app.models import SourceType, SslMode
from migrations_app.selectors.findings import Shelf
from migrations_app.services.drafts import OptionValues

DEFAULTS = OptionValues()
Parsers: TypeAlias = "_SubParsersAction[Any]"


CREATE = Subcommand(
    "create",
    "create a migration, and start it if asked to",
    "Create a migration from arguments, from a JSON file in the Azure CLI's format, or from both: an argument "
    "overrides what the file says. Both servers are contacted: a wrong address, password or database name ends the "
    "command with exit code 2 and leaves nothing behind. Without --start or --schedule the migration stays a draft.",
)
VALIDATE = Subcommand(
    "validate",
    "check whether a migration would work, without moving anything",
    "Create a migration with the option Validate, start it, wait for its end and print its findings. Takes the same "
    "arguments as create. Exit code 3 if a finding would make the migration fail.",
)
START = Subcommand(
    "start", "start a draft", "Start a migration that was created before, here or in the wizard of the portal."
)
SHOW = Subcommand(
    "show",
    "show a migration: its state, steps, databases and findings",
    "Show a migration. With --output json in the shape of “az postgres flexible-server migration show”, so that "
    "scripts which read properties.currentStatus keep working.",
)
LIST = Subcommand("list", "list migrations", "List migrations, the newest first.")
CANCEL = Subcommand(
    "cancel",
    "cancel a running or waiting migration",
    "Ask a migration to end. It stops within seconds at whatever step it is, and says what is on the target then.",
)
RESUME = Subcommand(
    "resume",
    "go on with a migration that failed",
    "Go on with a migration that failed, once the cause is removed. Tables that arrived are not copied again if the "
    "source proves that they have not changed; those that the verification did not find identical are.",
)
VERIFY = Subcommand(
    "verify",
    "show the proof that a migration arrived",
    "Show how source and target compared at the end of a migration. Exit code 4 if anything differs or could not be "
    "verified, also if the migration was told not to verify. Nothing is compared anew: the source has moved on since.",
)
EVENTS = Subcommand("events", "show what happened, and who did what", "Show the event log, the oldest line first.")
REPORT = Subcommand(
    "report",
    "write the whole report as JSON",
    "Write everything about a migration as JSON: settings without passwords, steps, findings, every comparison and "
    "event. The portal's page offers the same as a document for printing.",
)
FINDINGS = Subcommand(
    "findings",
    "list findings, or write the scripts that mend them",
    "List what the validation and the migration found, the worst first. With --fixes, write the SQL that mends them on "
    "one server, ready for psql; accepted findings, and fixes that are no SQL, are comments in it.",
)
CHECK = Subcommand(
    "check",
    "check findings again",
    "Ask a worker to run every validation rule again, or with --code the rules that find it. Nothing is started, moved "
    "or changed on either server. The result is in “findings” and “events”.",
)
ACCEPT = Subcommand(
    "accept",
    "accept warnings as they are, or take that back",
    "Accept warnings, and checks that could not run, with a reason; who, when and why is kept. --code, --subject and "
    "--database say which; --all takes every open one. A migration that waits goes on with the last one. With --undo "
    "an acceptance is taken back.",
)
SUBCOMMANDS = (
    CREATE,
    VALIDATE,
    START,
    SHOW,
    LIST,
    CANCEL,
    RESUME,
    *ASKING,
    CLEAN_UP,
    FINDINGS,
    CHECK,
    ACCEPT,
    VERIFY,
    EVENTS,
    REPORT,
)


def add_subcommands(parser: ArgumentParser) -> None:
    """Add every subcommand to the parser of ``manage.py migration``."""
    commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True, title="commands")
    for subcommand in (CREATE, VALIDATE):
        _add_creating(commands, subcommand)
    start = _add(commands, START)
    _add_name(start)
    _add_waiting(start)
    show = _add(commands, SHOW)
    _add_name(show)
    _add_waiting(show)
    _add_list(commands)
    for subcommand in (CANCEL, RESUME):
        command = _add(commands, subcommand)
        _add_name(command)
        _add_waiting(command)
    add_asking(lambda subcommand: _named(_add(commands, subcommand)), _add_waiting)
    _add_waiting(_named(_add(commands, CLEAN_UP)), help_text="wait until it was done, and list what was found")
    _add_findings(commands)
    verify = _add(commands, VERIFY)
    _add_name(verify)
    verify.add_argument("--all", action="store_true", help="list every object, not only those that are not identical")
    events = _add(commands, EVENTS)
    _add_name(events)
    events.add_argument("--limit", type=int, metavar="N", help="only the last N lines")
    _add_report(commands)


def _add(commands: Parsers, subcommand: Subcommand) -> ArgumentParser:
    parser: ArgumentParser = commands.add_parser(
        subcommand.name, help=subcommand.summary, description=subcommand.description
    )
    output = parser.add_argument_group("output")
    output.add_argument("--output", choices=("table", "json"), default="table", help="for people, or for scripts")
    output.add_argument("--no-color", action="store_true", default=SUPPRESS, help="no colors")
    return parser


def _add_name(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="the migration's name, or its id")


def _named(parser: ArgumentParser) -> ArgumentParser:
    _add_name(parser)
    return parser


def _add_list(commands: Parsers) -> None:
    parser = _add(commands, LIST)
    parser.add_argument(
        "--filter", choices=("Active", "All"), default="All", help="Active: only those queued, running or waiting"
    )
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most N migrations (default %(default)s)")


def _add_findings(commands: Parsers) -> None:
    findings = _add(commands, FINDINGS)
    _add_name(findings)
    findings.add_argument("--level", choices=list(Shelf), help="only these; Accepted is counted apart")
    findings.add_argument("--fixes", choices=list(Side), help="write the script for this server instead of the list")
    findings.add_argument("--database", metavar="SOURCE", help="only of this database")
    check = _add(commands, CHECK)
    _add_name(check)
    check.add_argument("--code", help="only the rules that find this code")
    accept = _add(commands, ACCEPT)
    _add_name(accept)
    accept.add_argument("--code", help="the findings with this code")
    accept.add_argument("--subject", metavar="TEXT", help="only about this object, as the list writes it")
    accept.add_argument("--database", metavar="SOURCE", help="only of this database")
    accept.add_argument("--all", action="store_true", help="every open warning")
    how = accept.add_mutually_exclusive_group(required=True)
    how.add_argument("--reason", metavar="TEXT", help="why they may stay as they are")
    how.add_argument("--undo", action="store_true", help="take the acceptance back")


def _add_report(commands: Parsers) -> None:
    parser = commands.add_parser(REPORT.name, help=REPORT.summary, description=REPORT.description)
    _add_name(parser)
    parser.add_argument("--file", metavar="FILE", help="write to FILE instead of the standard output")


def _add_creating(commands: Parsers, subcommand: Subcommand) -> None:
    parser = _add(commands, subcommand)
    parser.add_argument("name", nargs="?", help="a name nobody has used yet; made up from the time if left out")
    validates = subcommand is VALIDATE
    _add_what(parser.add_argument_group("what to move"), with_option=not validates)
    servers = parser.add_argument_group(
        "servers",
        "Passwords come from the file of --properties, from the environment variables PORTAL_SOURCE_PASSWORD and "
        "PORTAL_TARGET_PASSWORD, or from a prompt; never from an argument, which other users could read.",
    )
    _add_server(servers, "source")
    _add_server(servers, "target")
    _add_options(parser.add_argument_group("how the work is done"))
    online = parser.add_argument_group("with --mode Online", "How changes are followed, and how it is cut over.")
    add_online(online, _add_choice)
    if validates:
        parser.set_defaults(start=True, wait=True, option=MigrationOption.VALIDATE.value, schedule=None)
        return
    when = parser.add_argument_group("when")
    when.add_argument("--start", action="store_true", help="start at once")
    when.add_argument(
        "--schedule",
        type=types.moment,
        metavar="TIME",
        help="start at this time, for example 2026-11-30T22:00Z; without a zone it is in the portal's time zone",
    )
    _add_waiting(parser, help_text="start if nothing else was said, show the progress, and wait for the end")


def _add_what(group: _ArgumentGroup, *, with_option: bool) -> None:
    group.add_argument(
        "-b",
        "--properties",
        type=types.readable_file,
        metavar="FILE",
        help="a JSON file as “az postgres flexible-server migration create” takes it",
    )
    group.add_argument(
        "--database",
        action="append",
        type=types.database,
        default=[],
        metavar="SOURCE[=TARGET]",
        help="a database to move, under another name on the target if one is given; may be repeated",
    )
    group.add_argument(
        "--overwrite",
        action="append",
        default=[],
        metavar="TARGET",
        help="agree that this database of the target is dropped and made anew; may be repeated",
    )
    for kind, parse, shape in (("schema", str, "SCHEMA"), ("table", types.table, "SCHEMA.TABLE")):
        group.add_argument(
            f"--include-{kind}",
            action="append",
            type=parse,
            default=[],
            metavar=shape,
            help=f"move only this {kind} (and others included), in every database named; may be repeated",
        )
        group.add_argument(
            f"--exclude-{kind}",
            action="append",
            type=parse,
            default=[],
            metavar=shape,
            help=f"leave out this {kind}, even if it is included; may be repeated",
        )
    if with_option:
        _add_choice(group, "--option", MigrationOption, "what to do (default ValidateAndMigrate)")
    _add_choice(
        group, "--mode", MigrationMode, "Offline: one copy; Online: changes follow until the cutover (default Offline)"
    )


def _add_server(group: _ArgumentGroup, side: str) -> None:
    group.add_argument(
        f"--{side}",
        type=types.server,
        metavar="HOST[:PORT][@USER]",
        help=f"the {side} server, for example db.example.com:5432@postgres (port 5432 and user postgres if left out)",
    )
    group.add_argument(f"--{side}-saved", metavar="NAME", help=f"use a saved connection as the {side}")
    group.add_argument(
        f"--{side}-sslmode", choices=SslMode.values, help="how to use TLS, in libpq's words (default prefer)"
    )
    group.add_argument(
        f"--{side}-ca", type=types.readable_file, metavar="FILE", help="the certificate authority (PEM) to trust"
    )
    group.add_argument(
        f"--{side}-maintenance-database", metavar="NAME", help="the database for logging in first (default postgres)"
    )
    if side == "source":
        group.add_argument(
            "--source-type",
            choices=SourceType.values,
            metavar="TYPE",
            help=f"what the source is (default OnPremises): {', '.join(SourceType.values)}",
        )


def _add_options(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--jobs", type=types.jobs, default=DEFAULTS.jobs, metavar="N", help="parallel copies (default %(default)s)"
    )
    _add_choice(
        group,
        "--roles",
        RolePolicy,
        "copy: roles, memberships and, where they can be read, passwords; copy_without_passwords; skip (default copy)",
    )
    _add_choice(
        group,
        "--verification",
        VerificationLevel,
        "full: a hash of every row; counts: row counts; none (default full)",
        default=DEFAULTS.verification.value,
    )
    _add_choice(
        group,
        "--on-object-error",
        OnObjectError,
        "what to do when an object cannot be restored: continue and list it as a finding, or stop (default continue)",
        default=DEFAULTS.on_object_error.value,
    )
    _add_choice(
        group,
        "--at-warnings",
        AtWarnings,
        "what to do when the validation found warnings: go_on, or wait until each is accepted (default go_on)",
    )
    group.add_argument(
        "--split-size",
        type=types.size,
        default=DEFAULTS.split_bytes,
        metavar="SIZE",
        help="copy larger tables in parts (default 1GB)",
    )
    group.add_argument(
        "--target-free-space", type=types.size, metavar="SIZE", help="free space of the target, which SQL cannot see"
    )
    group.add_argument("--forget-passwords", action="store_true", help="erase both passwords when the migration ends")


def _add_choice(group: _ArgumentGroup, flag: str, words: Any, help_text: str, *, default: str | None = None) -> None:
    values = [word.value for word in words]
    group.add_argument(flag, choices=values, metavar="|".join(values), default=default, help=help_text)


def _add_waiting(parser: ArgumentParser, *, help_text: str = "show the progress and wait for the end") -> None:
    parser.add_argument("--wait", action="store_true", help=help_text)
