"""A way back asks something of the target: told before the migration begins, and only where it was chosen."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.engine.findings import Finding
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationMode, MigrationOption, MigrationSpec, OnlineOptions, Side
from migrations_app.engine.validation import validate
from tests.engine.validating import Recorder, database, drop_role, fires, is_silent, new_role
from tests.fixtures.servers import ServerPool

CODES = ("PM3080", "PM3081")


def test_what_the_target_lacks_is_told(servers: ServerPool) -> None:
    source = servers.get(17)
    target = servers.get(18, name="no-logical", wal_level="replica", max_replication_slots=1)
    mover = new_role(target, "CREATEDB CREATEROLE")
    with source.fresh_database() as name:
        online = OnlineOptions(fall_back=True)
        ends = source.endpoint(Side.SOURCE), mover.endpoint(target, Side.TARGET)
        spec = MigrationSpec(
            "4b1e",
            "test",
            *ends,
            (database(name),),
            "OnPremises",
            MigrationOption.VALIDATE,
            MigrationMode.ONLINE,
            online=online,
        )
        found = _found(spec)
        assert fires(found, "PM3080").fix_sql == f'ALTER ROLE "{mover.name}" REPLICATION;'
        assert "wal_level is replica; 1 replication slot free, 1 needed." in fires(found, "PM3081").saw
        assert is_silent(_found(replace(spec, online=OnlineOptions())), "PM3080", "PM3081")
        target.psql(fires(found, "PM3080").fix_sql)
        left = _found(spec)
        assert is_silent(left, "PM3080")
        healthy = servers.get(18).endpoint(Side.TARGET)
        assert is_silent(_found(replace(spec, target=healthy)), "PM3080", "PM3081")
    drop_role(target, mover)


def _found(spec: MigrationSpec) -> list[Finding]:
    return validate(spec, Server(spec.source), Server(spec.target), Recorder(), only_codes=CODES)
