"""Healthy pairs: every rule is silent, but for what is meant to be told of any pair, by code and with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrations_app.engine.findings import Finding
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import Endpoint, MigrationMode, MigrationSpec, Options, Side
from migrations_app.engine.validation import validate
from portal.demo.sample import build_sample
from tests.engine.test_validation_frame import HEALTHY
from tests.engine.validating import Recorder, database
from tests.fixtures.providers import conditions, play
from tests.fixtures.servers import ServerPool

Pair = tuple[tuple[Endpoint, Endpoint], str]

# What healthy pairs are told; `tests/architecture/test_rules_are_tested.py` wants another test of silence for these.
INTENDED = {
    "PM1040": "a restricted administrator cannot give the source's superuser its attributes",
    "PM1041": "a restricted administrator reads no password hashes",
    "PM1082": "how long the migration will take is told of every pair",
    "PM3035": "sequences are set at the cutover of every online migration",
    "PM3060": "how changes will be applied is told of every online migration",
}
# The demo's shop is there to show what the portal finds, so each of these has its object in it.
SHOWN_BY_DEMO = {
    "PM2041": "every_type has columns of types such as regclass",
    "PM2042": "level_cache is unlogged",
    "PM2050": "nearly_used_up is at its end",
    "PM2052": "two constraints are NOT VALID",
    "PM3020": "tables without key",
    "PM3030": "level_cache is unlogged",
    "PM3033": "materialized views",
    "PM3034": "large objects",
    "PM3037": "papers has tables that inherit from it",
    "PM3062": "triggers that are set to ALWAYS and REPLICA",
}
SETTINGS = {"autovacuum": "on", "fsync": "on", "full_page_writes": "on"}
FREE_BYTES = 100 * 1024**3  # stated, as one must where nobody can measure it


def found(pair: Pair, *, mode: MigrationMode) -> dict[str, Finding]:
    """Validate and return what was found, by code."""
    (source, target), name = pair
    options = Options(target_free_bytes=FREE_BYTES)
    spec = MigrationSpec("4b1e", "test", source, target, (database(name),), mode=mode, options=options)
    return {each.code: each for each in validate(spec, Server(source), Server(target), Recorder())}


def unintended(pair: Pair, *, mode: MigrationMode) -> list[Finding]:
    """Return what healthy servers and a healthy database should not be told."""
    return [finding for code, finding in found(pair, mode=mode).items() if code not in INTENDED]


@pytest.fixture
def plain(servers: ServerPool) -> Iterator[Pair]:
    """As superusers, on servers that are set up as most are."""
    source, target = servers.get(14, name="healthy-source"), servers.get(18, name="healthy-target", **SETTINGS)
    with source.fresh_database() as name:
        source.psql(HEALTHY, database=name)
        yield (source.endpoint(Side.SOURCE), target.endpoint(Side.TARGET)), name


@pytest.fixture
def restricted(servers: ServerPool) -> Iterator[Pair]:
    """From a server of one's own to a flexible server, as administrators who are no superusers but may replicate."""
    source, target = play(servers, "self", 18, name="matrix"), play(servers, "azure", 18, name="matrix-target")
    source.superuser(f"ALTER ROLE {source.profile.admin} REPLICATION")
    with source.fresh_database() as name, conditions.changed_settings(target, **SETTINGS):
        source.as_admin(HEALTHY, database=name)
        yield (source.admin(Side.SOURCE), target.admin(Side.TARGET)), name
    source.superuser(f"ALTER ROLE {source.profile.admin} NOREPLICATION")


@pytest.fixture
def demo(servers: ServerPool) -> Iterator[Pair]:
    """The demo's sample on servers as the demo's."""
    source, target = servers.get(17, name="healthy-source"), servers.get(18, name="healthy-target", **SETTINGS)
    with source.fresh_database() as name:
        build_sample(source.cluster.conninfo(database=name), "small", 42, role_password="shop")
        yield (source.endpoint(Side.SOURCE), target.endpoint(Side.TARGET)), name


@pytest.mark.parametrize("mode", list(MigrationMode))
def test_superusers(plain: Pair, mode: MigrationMode) -> None:
    assert unintended(plain, mode=mode) == []


@pytest.mark.parametrize("mode", list(MigrationMode))
def test_administrators_of_services(restricted: Pair, mode: MigrationMode) -> None:
    assert unintended(restricted, mode=mode) == []


def test_the_demo_is_told_what_it_shows(demo: Pair) -> None:
    """Offline and online; nothing else, and nothing less."""
    online, offline = found(demo, mode=MigrationMode.ONLINE), found(demo, mode=MigrationMode.OFFLINE)
    assert online.keys() - INTENDED.keys() == SHOWN_BY_DEMO.keys()
    assert offline.keys() - INTENDED.keys() == {code for code in SHOWN_BY_DEMO if code.startswith("PM2")}
