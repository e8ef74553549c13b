"""``./run demo``: start everything, migrate a sample database, show that it arrived."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import fill
from types import FrameType

from django.contrib.auth.models import User

from migrations_app.cli.output import Output
from migrations_app.cli.verdict import NOT_PROVED, exit_code_of_proof
from migrations_app.cli.waiting import wait_for_end
from migrations_app.cli.wording import duration_words, size_words
from migrations_app.engine.errors import EngineError
from migrations_app.models import Migration, State
from migrations_app.selectors.migration_page import migration_page
from migrations_app.selectors.verification import ClassSummary, class_summaries, results_of
from portal.demo import source_database
from portal.demo.sample import SampleFailed, Size
from portal.demo.sample_migration import start_migration
from portal.demo.servers import SampleServer, start_sample_servers
from portal.demo.source_database import SAMPLE_DATABASE
from portal.launcher import first_admin, up
from portal.launcher.console import LauncherError, say
from portal.local_postgres import ClusterError
from portal.places import Places

DEMO_USER = "demo"
PASSWORD_BYTES = 12
TIMEOUT_SECONDS = 1800
LISTED_DIFFERENCES = 10
LISTED_CHARACTERS = 300
EXIT_PROVED, EXIT_FAILED, EXIT_NOT_PROVED = 0, 1, 4


def demo(places: Places, *, size: Size) -> int:
    """Return 0 only if the migration succeeded and everything that arrived is proved identical."""
    began_at = time.monotonic()
    logging.getLogger("django-q").setLevel(logging.WARNING)  # the terminal is for the story
    with time_limit(TIMEOUT_SECONDS):
        up.start(places)
        password = renew_demo_user()
        try:
            source, target = make_servers(places, size=size)
            migration = start_migration(source, target, database=SAMPLE_DATABASE, actor=demo_user())
        except (ClusterError, SampleFailed, EngineError) as error:
            raise LauncherError(f"The demo's migration could not be started: {error}") from error
        say(f"Migrating {SAMPLE_DATABASE} as migration {migration.name!r}; {page_address(migration)}")
        interrupted = wait_for_end(migration, output=terminal())
    if interrupted:
        return interrupted
    code = say_result(migration)
    say_how_to_go_on(migration, password=password, seconds=time.monotonic() - began_at)
    return code


def make_servers(places: Places, *, size: Size) -> tuple[SampleServer, SampleServer]:
    """Start both sample servers, the source with the sample database."""
    say("Starting two sample servers ...")
    source, target = start_sample_servers(places)
    say(f"  source: {source.title}")
    say(f"  target: {target.title}")
    if not source_database.is_built(source, size=size):
        say(f"Building the sample database {SAMPLE_DATABASE} ({size}) ...")
    say(f"  {SAMPLE_DATABASE}: {source_database.build(source, size=size)}")
    return source, target


def renew_demo_user() -> str:
    """Make the demo's administrator, or give the one that exists a new password; return it."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    first_admin.create(DEMO_USER, password=password)
    return password


def demo_user() -> User:
    """Return the person the demo acts for."""
    return User.objects.get(username=DEMO_USER)


def terminal() -> Output:
    """Return the terminal, or what stands in for it."""
    return Output(stdout=sys.stdout, stderr=sys.stdout, as_json=False, no_color="NO_COLOR" in os.environ)


def say_result(migration: Migration) -> int:
    """Say how it ended and what was proved; return the exit code."""
    page = migration_page(migration.pk)
    if page.migration.state != State.SUCCEEDED:
        say_failure(page.migration)
        return EXIT_FAILED
    totals = page.totals
    say(
        f"{page.migration.get_state_display()} in {duration_words(page.elapsed_seconds)}: {totals.tables_done} tables, "
        f"{totals.rows_done:,} rows, {size_words(totals.bytes_done)}, {totals.indexes_done} indexes."
    )
    say_proof(class_summaries(migration.pk))
    proved = exit_code_of_proof(page.migration) == 0
    say("Proved: source and target are identical." if proved else "Not proved:")
    say_differences(migration)
    return EXIT_PROVED if proved else EXIT_NOT_PROVED


def say_proof(kinds: Sequence[ClassSummary]) -> None:
    """Say how many objects of each kind were compared; kinds that are compared as a whole share a line."""
    whole = [kind.object_class for kind in kinds if kind.total == 1 == kind.identical]
    for kind in kinds:
        if kind.object_class not in whole:
            wrong = f", {kind.different} different" if kind.different else ""
            open_ends = f", {kind.could_not_verify} could not be verified" if kind.could_not_verify else ""
            say(f"  {kind.identical} of {kind.total} {kind.object_class}s identical{wrong}{open_ends}")
    if whole:
        say(fill(f"identical as a whole: {', '.join(sorted(whole))}", initial_indent="  ", subsequent_indent="    "))


def say_failure(migration: Migration) -> None:
    """Say why it did not succeed."""
    say(f"The migration ended as {migration.get_state_display()}.")
    databases = [(one.error, one.error_hint, one.error_server_message) for one in migration.databases.all()]
    for words in ((migration.error, migration.error_hint, migration.error_server_message), *databases):
        for word in filter(None, words):
            say(f"  {word}")
    for finding in migration.findings.filter(level="Failed"):
        say(f"  {finding.code} {finding.subject}: {finding.saw} {finding.fix}")
    say_differences(migration)


def say_differences(migration: Migration) -> None:
    """Say what is not identical, object by object; the report has the rest."""
    for row in results_of(migration.pk, results=NOT_PROVED)[:LISTED_DIFFERENCES]:
        say(f"  {row.object_class} {row.name}: {row.result}. {row.detail}")
        if row.source or row.target:
            say(f"    source: {row.source[:LISTED_CHARACTERS]}")
            say(f"    target: {row.target[:LISTED_CHARACTERS]}")


def say_how_to_go_on(migration: Migration, *, password: str, seconds: float) -> None:
    """Say where the portal is, how to log in and how to stop."""
    say("")
    say(f"  The portal   {up.address()}")
    say(f"  Log in as    {DEMO_USER} / {password}")
    say(f"  Migration    {page_address(migration)}")
    say("  Stop it      ./run down")
    say(f"  Took         {duration_words(seconds)}")


def page_address(migration: Migration) -> str:
    """Return the address of the migration's page."""
    return f"{up.address()}migrations/{migration.pk}/"


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise ``LauncherError`` when what is inside takes longer."""

    def on_alarm(number: int, frame: FrameType | None) -> None:
        raise LauncherError(f"The demo did not come to an end in {seconds // 60} minutes. ./run status says what runs.")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
