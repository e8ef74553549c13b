"""The online half of the negative matrix: everything wrong at once is found, and each fix that is told turns it green."""

from __future__ import annotations

from collections import defaultdict

import pytest

from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationMode, MigrationSpec, Side
from migrations_app.engine.validation import validate
from tests.engine.validating import Recorder, database
from tests.fixtures.halves import halved
from tests.fixtures.providers import PROFILES, PlayedServer, conditions, play
from tests.fixtures.servers import ServerPool

MAJORS = (15, 18)
EXPECTED = {
    "603107": Level.FAILED,  # wal_level
    "603104": Level.FAILED,  # REPLICATION
    "PM3072": Level.FAILED,  # CREATE on the database
    "PM3073": Level.FAILED,  # a table of another role
    "PM3020": Level.WARNING,  # a table without key
    "PM3030": Level.WARNING,  # an unlogged table
    "PM3034": Level.WARNING,  # large objects
}
# Where the provider's customers turn it on, and how they get the right to replicate.
WAL_LEVEL_WORDS = {"rds": "rds.logical_replication", "aurora": "rds.logical_replication", "azure": "wal_level"}
WAL_LEVEL_WORDS |= {"cloudsql": "cloudsql.logical_decoding", "self": "wal_level"}
REPLICATION_WORDS = {"rds": "GRANT rds_replication", "aurora": "GRANT rds_replication"}


def check(source: PlayedServer, target: PlayedServer, name: str) -> dict[str, list[Finding]]:
    """Validate in the mode Online as both administrators; return the findings of the matrix by code."""
    endpoints = source.admin(Side.SOURCE), target.admin(Side.TARGET)
    spec = MigrationSpec("4b1e", "test", *endpoints, (database(name),), mode=MigrationMode.ONLINE)
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in validate(spec, Server(endpoints[0]), Server(endpoints[1]), Recorder()):
        if finding.code in EXPECTED:
            found[finding.code].append(finding)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "major"), halved(PROFILES, MAJORS))
def test_what_online_lacks_is_found_and_mended(servers: ServerPool, profile: str, major: int) -> None:
    source, target = play(servers, profile, major, name="online"), play(servers, "azure", 18, name="online-target")
    with source.fresh_database() as name:
        conditions.table_of_another_role(source, name)
        conditions.table_without_key(source, name)
        conditions.unlogged_table(source, name)
        source.as_admin("SELECT lo_from_bytea(4711, 'x')", database=name)
        conditions.no_create_on_database(source, name)
        with conditions.wal_level_off(source):
            found = check(source, target, name)
            assert {code: findings[0].level for code, findings in found.items()} == EXPECTED
            assert WAL_LEVEL_WORDS[profile] in found["603107"][0].fix + found["603107"][0].fix_sql
            words = found["603104"][0].fix + found["603104"][0].fix_sql
            assert REPLICATION_WORDS.get(profile, "REPLICATION") in words
        for code in ("PM3072", "PM3073", "PM3020"):
            assert found[code][0].fix_sql, found[code]
            source.superuser(found[code][0].fix_sql, database=name)
        source.superuser("ALTER TABLE public.unlogged SET LOGGED; SELECT lo_unlink(4711)", database=name)
        conditions.give_replication(source)
        try:
            assert check(source, target, name) == {}
        finally:
            conditions.take_replication(source)
            source.superuser(f'REVOKE {conditions.STRANGER} FROM "{source.profile.admin}"')
