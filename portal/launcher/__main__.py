"""``python -m portal.launcher COMMAND``; people use ./run."""

from __future__ import annotations

import argparse
import os
import sys

from portal.launcher.check import check
from portal.launcher.console import LauncherError, complain
from portal.launcher.folders import make_folders
from portal.launcher.keys import make_missing_keys
from portal.places import places_from_environment

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="./run", description="Start and stop the PostgreSQL Migration Portal.")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the portal")
    up.add_argument("--foreground", action="store_true", help="stay attached; for systemd and containers")
    commands.add_parser("down", help="stop the portal and the sample servers")
    commands.add_parser("status", help="say what runs; exit code 0 well, 1 not well, 3 down")
    commands.add_parser("supervise", help="what up starts in the background")
    demo = commands.add_parser("demo", help="start everything, migrate a sample database and prove it arrived")
    demo.add_argument("--size", choices=("small", "medium", "large"), default="medium", help="size of the sample")
    checks = commands.add_parser("check", help="check the settings")
    checks.add_argument("--schema", action="store_true", help="look for missing schema migrations instead")
    return result


def main(words: list[str]) -> int:
    """Run one command; return its exit code."""
    chosen = parser().parse_args(words)
    try:
        return check(schema=chosen.schema) if chosen.command == "check" else run(chosen)
    except LauncherError as error:
        complain(str(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        complain("Interrupted.")
        return EXIT_INTERRUPTED


def run(chosen: argparse.Namespace) -> int:
    """Make folders and keys, which the settings read, then load Django, then run the command."""
    places = places_from_environment()
    make_folders(places)
    make_missing_keys(places)
    load_django()
    from portal.launcher import down, status, up

    match chosen.command:
        case "up" if chosen.foreground:
            up.up_in_foreground(places)
        case "up":
            up.up(places)
        case "supervise":
            up.supervise(places)
        case "down":
            down.down(places)
        case "status":
            return status.status(places)
        case "demo":
            from portal.demo.run import demo

            return demo(places, size=chosen.size)
    return 0


def load_django() -> None:
    """Set Django up. Raises ``LauncherError`` for settings that it refuses."""
    import django
    from django.core.exceptions import ImproperlyConfigured

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise LauncherError(f"The settings are not usable: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
