"""The command line as a person uses it, and a worker that drives what was started."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.core.management import call_command
from django.db import connection

from migrations_app.engine.spec import Side
from migrations_app.models import Migration, State
from tests.fixtures.servers import RunningServer, SourceAndTarget

SAMPLE = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 500) n;
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, total numeric);
INSERT INTO orders SELECT n, 1 + n % 500, n / 3.0 FROM generate_series(1, 2000) n;
CREATE VIEW big_orders AS SELECT * FROM orders WHERE total > 100;
"""


@dataclass(frozen=True)
class Said:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def migration_command() -> Command:
    """Run ``manage.py migration``: ``migration_command("show", "shop", "--output", "json")``."""

    def run(*arguments: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        code = 0
        try:
            call_command("migration", *arguments, stdout=out, stderr=err)
        except SystemExit as ending:
            code = int(ending.code or 0)
        return Said(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    """Drive whatever is queued and due, as the portal's worker would."""
    ended = threading.Event()
    thread = threading.Thread(target=_work, args=[ended], daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(timeout=60)


def _work(ended: threading.Event) -> None:
    from migrations_app.services.conductor import conduct

    try:
        while not ended.wait(0.1):
            for migration_id in Migration.objects.filter(state=State.QUEUED).values_list("pk", flat=True):
                conduct(migration_id)
    finally:
        connection.close()


@dataclass(frozen=True)
class Shop:
    """A small database on a source, and the name of one that does not exist yet on a target."""

    source: RunningServer
    target: RunningServer
    name: str

    @property
    def servers(self) -> tuple[str, ...]:
        """Arguments that name both servers."""
        return (
            *("--source", f"127.0.0.1:{self.source.port}@{self.source.superuser}"),
            *("--target", f"127.0.0.1:{self.target.port}@{self.target.superuser}"),
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments that name the servers and the database; roles stay where they are."""
        return (*self.servers, "--database", self.name, "--roles", "skip")

    def count_on_target(self, table: str, *, database: str | None = None) -> int:
        """Rows of a table of the target."""
        return int(self.target.psql(f"SELECT count(*) FROM {table}", database=database or self.name))


@pytest.fixture
def shop(source_and_target: SourceAndTarget, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The sample database, with both passwords in the environment."""
    source, target = source_and_target.source, source_and_target.target
    monkeypatch.setenv("PORTAL_SOURCE_PASSWORD", source.endpoint(Side.SOURCE).password)
    monkeypatch.setenv("PORTAL_TARGET_PASSWORD", target.endpoint(Side.TARGET).password)
    with source.fresh_database() as name:
        source.psql(SAMPLE, database=name)
        yield Shop(source, target, name)
        for leftover in (name, f"{name}_new"):
            target.drop_database(leftover)
