"""Write docs/command-line.md from the help texts: ``python -m migrations_app.cli.reference > docs/command-line.md``."""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, Action, ArgumentParser, _ArgumentGroup, _StoreTrueAction, _SubParsersAction
from collections.abc import Iterator

from migrations_app.cli.exits import EXIT_CODE_MEANINGS

PROGRAM = "python manage.py migration"
INTRODUCTION = f"""# Command line

`{PROGRAM} COMMAND` does what the wizard and the migration page do, through the same services, so that migrations can be
scripted. `./run manage migration COMMAND` is the same from any folder, in the portal's own environment. The workers of
the portal do the work: start it first with `./run up`.

This page is made from the commands' own help texts: `{PROGRAM} COMMAND --help`.

```console
$ export PORTAL_SOURCE_PASSWORD=… PORTAL_TARGET_PASSWORD=…
$ {PROGRAM} create sales-2026 --source db1.example.com:5432@admin --source-sslmode require \\
      --target db2.example.com:5432@admin --target-sslmode verify-full --database sales --database crm=crm_new --wait
$ echo $?
0
```

## Exit codes
"""
FILE_FORMAT = """## The file of `--properties`

The format of `az postgres flexible-server migration create --properties`. Keys may be written in any capitals, booleans
as `true` or `"true"`. Unlike there, any number of databases may be named. A key that nobody knows is an error, since it
may be a misspelt one. A file that is not JSON is answered with the line and the column.

```json
{ "properties": {
    "sourceDbServerResourceId": "db1.example.com:5432@admin",
    "targetDbServerFullyQualifiedDomainName": "db2.example.com",
    "secretParameters": {
      "adminCredentials": { "sourceServerPassword": "…", "targetServerPassword": "…" },
      "sourceServerUserName": "admin", "targetServerUserName": "admin" },
    "dbsToMigrate": ["sales", "crm"],
    "overwriteDbsInTarget": "false",
    "sourceType": "OnPremises",
    "sslMode": "Require" } }
```

| Key | Meaning |
|---|---|
| `sourceDbServerResourceId` | `host:port@user` of the source |
| `sourceDbServerFullyQualifiedDomainName` | the source's host, if it differs from the one above |
| `targetDbServerFullyQualifiedDomainName` | the target's host; `--target` names it as well, and its port |
| `secretParameters` | users and passwords; a password that is left out comes from the environment or a prompt |
| `dbsToMigrate` | names of databases; `--database` replaces the list, and can rename |
| `overwriteDbsInTarget` | consent that databases of these names on the target are dropped and made anew |
| `sourceType` | what the source is, see `--source-type` |
| `sslMode` | `Prefer`, `Require`, `VerifyCA`, `VerifyFull`; for both servers, unless an argument says otherwise |
| `migrationMode`, `migrationOption` | as `--mode` and `--option` |
| `migrateRoles` | `true`: `--roles copy`, `false`: `--roles skip` |
| `migrationWindowStartTimeInUtc` | the time to start, as `--schedule` |
| `atWarnings` | the portal's own: `go_on` or `wait`, as `--at-warnings` |

`migrationRuntimeResourceId`, `setupLogicalReplicationOnSourceDbIfNeeded`, `startDataMigration`, `triggerCutover` and
`migrationWindowEndTimeInUtc` are understood and have no effect; the command says so.
"""


def reference(parser: ArgumentParser) -> str:
    """Return the page for the parser of ``manage.py migration``, as Markdown."""
    commands = next(action for action in parser._actions if isinstance(action, _SubParsersAction))
    summaries = {choice.dest: choice.help or "" for choice in commands._choices_actions}
    lines = [INTRODUCTION, "| Code | Meaning |", "|---|---|"]
    lines += [f"| {code.value} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]
    lines += ["", "## Commands", "", "| Command | What it does |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {summary} |" for name, summary in summaries.items()]
    for name, command in commands.choices.items():
        lines += ["", *_command(name, command)]
    return "\n".join(lines) + f"\n\n{FILE_FORMAT}"


def _command(name: str, parser: ArgumentParser) -> Iterator[str]:
    positionals = " ".join(_positional(action) for action in parser._actions if not action.option_strings)
    yield from (
        f"### {name}",
        "",
        f"`{PROGRAM} {name} {positionals} …`".replace("  ", " "),
        "",
        parser.description or "",
    )
    for group in parser._action_groups:
        yield from _group(group)


def _group(group: _ArgumentGroup) -> Iterator[str]:
    actions = [action for action in group._group_actions if action.help != SUPPRESS and action.dest != "help"]
    ours = [action for action in actions if action.dest not in DJANGO_ARGUMENTS]
    if not ours:
        return
    if group.title and group.title not in ("options", "positional arguments"):
        yield from ("", f"**{group.title.capitalize()}**")
    if group.description:
        yield from ("", group.description)
    yield from ("", "| Argument | Meaning |", "|---|---|")
    for action in ours:
        yield f"| {_name(action)} | {_help(action)} |"


DJANGO_ARGUMENTS = {"version", "verbosity", "settings", "pythonpath", "traceback", "force_color", "skip_checks"}


def _name(action: Action) -> str:
    if not action.option_strings:
        return f"`{_positional(action)}`"
    value = "" if isinstance(action, _StoreTrueAction) else f" {_value(action)}"
    return f"`{', '.join(action.option_strings)}{value}`".replace("|", "\\|")


def _value(action: Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _positional(action: Action) -> str:
    return f"[{action.dest.upper()}]" if action.nargs == "?" else action.dest.upper()


def _help(action: Action) -> str:
    return ((action.help or "") % {"default": action.default}).replace("|", "\\|")


def main() -> None:
    """Write the page to the standard output."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    sys.stdout.write(reference(command_parser()))


def command_parser() -> ArgumentParser:
    """The parser of ``manage.py migration``; Django must be set up."""
    from django.core.management import load_command_class

    return load_command_class("migrations_app", "migration").create_parser("manage.py", "migration")


if __name__ == "__main__":
    main()
