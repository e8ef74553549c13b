"""Validate for an online migration."""

from __future__ import annotations

from migrations_app.engine.findings import Finding
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import DatabaseSpec, Endpoint, MigrationMode, MigrationOption, MigrationSpec, Side
from migrations_app.engine.validation import validate
from tests.engine.validating import Recorder, database, serious
from tests.fixtures.servers import RunningServer

MIGRATION = "4b1e"


def validated_online(
    source: RunningServer | Endpoint,
    target: RunningServer | Endpoint,
    *databases: DatabaseSpec | str,
    mode: MigrationMode = MigrationMode.ONLINE,
) -> list[Finding]:
    """Validate, as superusers unless endpoints are given."""
    source = source.endpoint(Side.SOURCE) if isinstance(source, RunningServer) else source
    target = target.endpoint(Side.TARGET) if isinstance(target, RunningServer) else target
    specs = tuple(database(each) if isinstance(each, str) else each for each in databases)
    spec = MigrationSpec(MIGRATION, "test", source, target, specs, option=MigrationOption.VALIDATE, mode=mode)
    return validate(spec, Server(source), Server(target), Recorder())


def of_online(findings: list[Finding]) -> list[Finding]:
    """Return the serious findings of the rules that concern online migrations alone."""
    microsoft = ("603104", "603105", "603106", "603107")
    return [each for each in serious(findings) if each.code.startswith("PM3") or each.code in microsoft]
