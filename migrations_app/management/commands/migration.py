"""``manage.py migration``: the wizard's services on the command line. ``migrations_app.cli`` holds its parts."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import IO, Any, cast
from uuid import UUID

from django.core.management.base import BaseCommand
from django.db import DatabaseError, OperationalError

from migrations_app.cli import acting, cleaning, findings, following, showing
from migrations_app.cli.arguments import add_subcommands
from migrations_app.cli.exits import CommandFailed, ExitCode
from migrations_app.cli.output import Output
from migrations_app.engine.errors import EngineError
from migrations_app.models import Migration
from migrations_app.selectors.migration_page import migrations_with_endpoints

Arguments = dict[str, Any]


class Command(BaseCommand):
    """Create, start, watch, cut over and check migrations."""

    help = (
        "Create, validate, start, watch, cancel, resume, cut over and check migrations; the exit code says how it "
        "ended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the subcommands."""
        add_subcommands(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run a subcommand and exit with its code."""
        # The queue's own chatter ("Enqueued 18") is no part of what a command says.
        logging.getLogger("django-q").setLevel(logging.WARNING)
        output = Output(
            stdout=_stream(self.stdout),
            stderr=_stream(self.stderr),
            as_json=options.get("output") == "json",
            no_color=bool(options.get("no_color")),
        )
        code = _run(options, output=output)
        if code is not ExitCode.SUCCESS:
            sys.exit(int(code))


def _stream(wrapper: Any) -> IO[str]:
    """The stream behind Django's wrapper, which would end every piece of a progress bar with a new line."""
    return cast("IO[str]", wrapper._out)


def _run(options: Arguments, *, output: Output) -> ExitCode:
    try:
        return COMMANDS[options["subcommand"]](options, output)
    except CommandFailed as error:
        output.failure(error)
        return error.exit_code
    except EngineError as error:
        output.failure(CommandFailed(error.message, hint=error.hint, server_message=error.server_message))
        return ExitCode.BAD_INPUT
    except KeyboardInterrupt:
        output.aside("Stopped before anything was started.")
        return ExitCode.INTERRUPTED
    except OperationalError as error:
        output.failure(_portal_database_is_away(error))
        return ExitCode.BAD_INPUT


def _portal_database_is_away(error: DatabaseError) -> CommandFailed:
    return CommandFailed(
        "The portal's own database does not answer.",
        hint="Start the portal (./run up), or check DATABASE_URL.",
        server_message=str(error).strip(),
    )


def _migration(options: Arguments) -> Migration:
    """Find the migration by name or id. Raises ``CommandFailed``."""
    migrations = migrations_with_endpoints()
    found = migrations.filter(name=options["name"]).first() or _by_id(options["name"])
    if found is None:
        raise CommandFailed(
            f"There is no migration named {options['name']}.", hint="To see all: python manage.py migration list"
        )
    return found


def _by_id(text: str) -> Migration | None:
    try:
        return migrations_with_endpoints().filter(pk=UUID(text)).first()
    except ValueError:
        return None


def _show(options: Arguments, output: Output) -> ExitCode:
    migration = _migration(options)
    if options["wait"]:
        return acting.finish(migration, wait=True, output=output)
    showing.show(migration, output=output)
    return ExitCode.SUCCESS


def _list(options: Arguments, output: Output) -> ExitCode:
    showing.list_migrations(active_only=options["filter"] == "Active", limit=options["limit"], output=output)
    return ExitCode.SUCCESS


def _events(options: Arguments, output: Output) -> ExitCode:
    showing.events(_migration(options), limit=options["limit"], output=output)
    return ExitCode.SUCCESS


def _report(options: Arguments, output: Output) -> ExitCode:
    showing.report(_migration(options), file=options["file"], output=output)
    return ExitCode.SUCCESS


def _ask(options: Arguments, output: Output) -> ExitCode:
    return following.ask_command(_migration(options), options, output=output)


COMMANDS: dict[str, Callable[[Arguments, Output], ExitCode]] = {
    **dict.fromkeys(following.DEEDS, _ask),
    "create": lambda options, output: acting.create_command(options, output=output),
    "validate": lambda options, output: acting.create_command(options, output=output),
    "start": lambda options, output: acting.start_command(_migration(options), wait=options["wait"], output=output),
    "cancel": lambda options, output: acting.cancel_command(_migration(options), wait=options["wait"], output=output),
    "resume": lambda options, output: acting.resume_command(_migration(options), wait=options["wait"], output=output),
    "clean-up": lambda options, output: cleaning.clean_up_command(
        _migration(options), wait=options["wait"], output=output
    ),
    "findings": lambda options, output: findings.findings_command(_migration(options), options, output=output),
    "check": lambda options, output: findings.check_command(_migration(options), options, output=output),
    "accept": lambda options, output: findings.accept_command(_migration(options), options, output=output),
    "verify": lambda options, output: showing.verify(_migration(options), every_object=options["all"], output=output),
    "show": _show,
    "list": _list,
    "events": _events,
    "report": _report,
}
