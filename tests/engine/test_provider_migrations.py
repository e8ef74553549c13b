"""Each source type of the mission moves offline, as its restricted administrator, to a flexible server as *its* one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from migrations_app.engine.events import CheckResult
from migrations_app.engine.findings import Finding
from migrations_app.engine.providers import provider_by_key
from migrations_app.engine.spec import MigrationOption
from tests.engine.moving import Move, nothing_left
from tests.engine.validating import fires
from tests.fixtures.halves import halved
from tests.fixtures.providers import PlayedServer, playing
from tests.fixtures.providers.shop import CLUTTER, shop_database
from tests.fixtures.servers import ServerPool

# The source type of the wizard, and the server that plays it.
SOURCES = {
    "AWS_RDS": "rds",
    "AWS_AURORA": "aurora",
    "GCP_CloudSQL": "cloudsql",
    "OnPremises": "self",
    "AzureVM": "self",
    "PostgreSQLFlexibleServer": "azure",
}
LEFT_BEHIND = (
    "roles",
    "memberships in its roles",
    "extensions",
    "event triggers",
    "grants to its roles",
    "grants on its objects",
    "rights on large objects",
    "properties of shop",
)
# Nobody may read password hashes of a managed server, nor measure another machine's disk.
ALWAYS = {
    # Test servers run without fsync and autovacuum, and every validation estimates its duration.
    ("PM1062", "Warning"),
    ("PM1063", "Info"),
    ("PM1082", "Info"),
    ("PM1041", "Info"),
    ("PM1010", "CouldNotCheck"),
    ("PM4006", "Warning"),
    ("PM2030", "Info"),
}
CONTENT = {
    "roles": "SELECT count(*) FROM pg_roles WHERE rolname IN ('shop_owner', 'Billing-Owner', 'shop_app', 'reporting')",
    "rows": "SELECT (SELECT count(*) FROM shop.orders), (SELECT count(*) FROM shop.customers), (SELECT count(*) FROM billing.ledger)",
    "owners": "SELECT string_agg(c.oid::regclass::text || ' of ' || pg_get_userbyid(relowner), ', ' ORDER BY c.oid::regclass::text COLLATE \"C\")"
    " FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace::regnamespace::text IN ('shop', 'billing', 'public')"
    " AND relname NOT IN ('advice', 'notes')",
    "large object": "SELECT md5(lo_get(4711)), pg_get_userbyid(lomowner) FROM pg_largeobject_metadata",
    "schemas": "SELECT string_agg(nspname || array_to_string(ARRAY("
    "SELECT a::text FROM unnest(coalesce(nspacl, acldefault('n', nspowner))) a"
    " WHERE a::text !~ 'rds_|cloudsql|azure_' ORDER BY 1), ' '), ', ' ORDER BY nspname)"
    " FROM pg_namespace WHERE nspname IN ('shop', 'billing')",
    "default privileges": "SELECT has_table_privilege('reporting', 'shop.turnover', 'SELECT'), has_table_privilege('shop_app', 'shop.turnover', 'SELECT')",
    "extensions": "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'hstore'",
}


def offline(source: PlayedServer, target: PlayedServer, work_dir: Path, *, source_type: str = "OnPremises") -> Move:
    """Return the migration of the shop between two played servers, as their administrators."""
    return Move(
        source.server,
        target.server,
        ["shop"],
        work_dir,
        option=MigrationOption.VALIDATE_AND_MIGRATE,
        source_user=source.admin_login,
        target_user=target.admin_login,
        source_type=source_type,
    )


def intended(source: PlayedServer) -> set[tuple[str, str, str]]:
    """Return code, level and subject of what the migration of a shop with a provider's clutter is meant to tell."""
    if source.profile.key not in CLUTTER:
        return {
            ("603410", "Warning", "1 grant"),
            ("PM1040", "Warning", "Role postgres"),
            ("PM4007", "Warning", "role postgres"),
            ("PM4023", "Warning", "grants on PostgreSQL's own objects"),
        }
    name = provider_by_key(source.profile.key).name
    extension, _ = CLUTTER[source.profile.key]
    # What its catalogs withhold from everybody is in a dump of flexible server, and is not taken along.
    hidden = (
        {("PM4023", "Info", "grants on PostgreSQL's own objects")} if source.profile.key.endswith("Server") else set()
    )
    return hidden | {
        ("PM2012", "Info", f"Extension {extension}"),
        ("PM4022", "Info", f"role {source.profile.provider_role}"),
        *(("PM4021", "Info", f"{name}: {what}") for what in LEFT_BEHIND),
    }


def told(findings: Iterable[Finding]) -> set[tuple[str, str, str]]:
    """Return code, level and subject of findings, without those that every such migration has."""
    seen = [(finding.code, str(finding.level), finding.subject) for finding in findings]
    assert len(seen) == len(set(seen)), "something was told twice"
    return {each for each in seen if each[:2] not in ALWAYS}


@pytest.mark.slow
@pytest.mark.parametrize(("source_type", "major"), halved(SOURCES, [15, 18]))
def test_a_shop_moves_to_flexible_server(servers: ServerPool, tmp_path: Path, source_type: str, major: int) -> None:
    with (
        playing(servers, SOURCES[source_type], major) as source,
        playing(servers, "azure", 18) as target,
        shop_database(source),
    ):
        move = offline(source, target, tmp_path, source_type=source_type)
        (database,) = move.must_succeed().databases
        assert database.verified == CheckResult.IDENTICAL
        assert told(move.log.findings) == intended(source)
        if source.profile.key in CLUTTER:
            fires(move.log.findings, "PM2012")
        for query in CONTENT.values():
            assert target.superuser(query, database="shop") == source.superuser(query, database="shop")
        assert "provider_guard" not in target.superuser("SELECT evtname FROM pg_event_trigger", database="shop")
        nothing_left(move)
