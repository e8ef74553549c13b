"""Validate real databases: a source, a target, roles with few rights, and what was found."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from migrations_app.engine.events import Event, FindingRaised
from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import DatabaseSpec, Endpoint, MigrationSpec, Options, Side
from migrations_app.engine.validation import validate
from tests.fixtures.servers import RunningServer

PASSWORD = "role-password"
UNSEEN = frozenset({"PM1000"})  # its only level is that something could not be checked


@dataclass
class Recorder:
    """Keeps every event."""

    events: list[Event] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self, event: Event) -> None:
        """Take one event."""
        with self.lock:
            self.events.append(event)

    @property
    def findings(self) -> list[Finding]:
        """The findings that were reported."""
        return [event.finding for event in self.events if isinstance(event, FindingRaised)]


@dataclass(frozen=True)
class Role:
    """A role that can log in with ``PASSWORD``."""

    name: str

    def endpoint(self, server: RunningServer, side: Side, *, database: str = "postgres") -> Endpoint:
        """Return how this role reaches ``server``."""
        return server.endpoint(side, user=self.name, password=PASSWORD, database=database)


def new_role(server: RunningServer, attributes: str = "") -> Role:
    """Create a role of an unused name."""
    name = f"user_{secrets.token_hex(4)}"
    server.psql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {attributes}")
    return Role(name)


def drop_role(server: RunningServer, role: Role) -> None:
    """Drop a role and what it was granted in the database postgres."""
    server.psql(f"DROP OWNED BY {role.name}; DROP ROLE {role.name}")


def database(name: str, target_name: str | None = None, **options: Any) -> DatabaseSpec:
    """Return a database to move; its id is its name."""
    return DatabaseSpec(
        id=name, source_name=name, target_name=f"{name}_moved" if target_name is None else target_name, **options
    )


def validated(
    source: RunningServer | Endpoint,
    target: RunningServer | Endpoint,
    *databases: DatabaseSpec | str,
    recorder: Recorder | None = None,
    **options: Any,
) -> list[Finding]:
    """Validate, as superusers unless endpoints are given."""
    source = source.endpoint(Side.SOURCE) if isinstance(source, RunningServer) else source
    target = target.endpoint(Side.TARGET) if isinstance(target, RunningServer) else target
    specs = tuple(database(each) if isinstance(each, str) else each for each in databases)
    spec = MigrationSpec("4b1e", "test", source, target, specs, options=Options(**options))
    return validate(spec, Server(source), Server(target), recorder or Recorder())


def of_code(findings: list[Finding], code: str) -> list[Finding]:
    """Return the findings of one code."""
    return [finding for finding in findings if finding.code == code]


def only(findings: list[Finding], code: str) -> Finding:
    """Return the only finding of one code."""
    (finding,) = of_code(findings, code)
    return finding


def fires(findings: list[Finding], code: str) -> Finding:
    """Return the first finding of one code that tells something; that a rule could not run is none."""
    found = [finding for finding in of_code(findings, code) if finding.level is not Level.UNKNOWN or code in UNSEEN]
    assert found, f"{code} is silent; found are {sorted({finding.code for finding in findings})}"
    return found[0]


def is_silent(findings: list[Finding], *codes: str) -> bool:
    """Tell that there is no finding of any of these codes, not even that they could not be checked."""
    return not [finding for finding in findings if finding.code in codes]


def serious(findings: list[Finding]) -> list[Finding]:
    """Return what is not just good to know; that the tests' servers run without autovacuum is meant."""
    return [finding for finding in findings if finding.level is not Level.INFO and finding.code != "PM1062"]
