"""An application's database at a played provider, busy, and its online migration to a played flexible server."""

from __future__ import annotations

import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres import Server
from migrations_app.engine.postgres.client_tools import client_tools
from migrations_app.engine.spec import MigrationOption, MigrationSpec, OnlineOptions, Side
from migrations_app.engine.validation import validate
from tests.engine.following_online import OnlineMove
from tests.engine.validating import Recorder
from tests.fixtures.providers import PlayedServer, conditions
from tests.fixtures.servers import RunningServer
from tests.fixtures.workload import Workload, script_for

PASSWORD = "pw"
PATIENCE_SECONDS = 30
ROWS = "SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} AS t"
TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
    " WHERE schemaname IN ('public', 'shop', 'Sp ace') ORDER BY 1"
)
LARGE_OBJECTS = "SELECT oid, md5(lo_get(oid)), pg_get_userbyid(lomowner) FROM pg_largeobject_metadata ORDER BY 1"
HISTORY = "SELECT count(*) FROM pgbench_history"
OURS = """
SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE slot_name LIKE 'pgmig%' AND database = current_database()
UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname LIKE 'pgmig%'
UNION ALL SELECT 'subscription ' || subname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid
 WHERE d.datname = current_database()
UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname = '_migration_portal'
UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger WHERE evtname LIKE 'pgmig%'
UNION ALL SELECT 'session ' || application_name FROM pg_stat_activity WHERE application_name LIKE 'pgmig/%'
UNION ALL SELECT 'sleeping trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'D'
UNION ALL SELECT 'whole rows of ' || relname FROM pg_class WHERE relreplident = 'f' AND relname <> 'log'
"""
ACCESS = (
    "SELECT d.datallowconn, array(SELECT a::text FROM unnest(coalesce(datacl, acldefault('d', datdba))) a ORDER BY 1),"
    " s.setconfig FROM pg_database d LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid AND s.setrole = 0"
    " WHERE d.datname = current_database()"
)


@dataclass
class ProviderMove(OnlineMove):
    """An online migration by two restricted administrators; ``source_type`` is what the wizard calls the source."""

    played: tuple[PlayedServer, PlayedServer] | None = None
    source_type: str = "OnPremises"
    sslmode: str | None = None

    @property
    def spec(self) -> MigrationSpec:
        """As the portal would make it for these two servers."""
        source, target = self.ends
        return replace(
            super().spec,
            source=source.admin(Side.SOURCE, sslmode=self.sslmode),
            target=target.admin(Side.TARGET),
            source_type=self.source_type,
            option=MigrationOption.VALIDATE_AND_MIGRATE,
        )

    @property
    def ends(self) -> tuple[PlayedServer, PlayedServer]:
        """The source and the target."""
        assert self.played is not None
        return self.played

    def failures(self) -> list[Finding]:
        """Validate, and return what would keep the migration from starting."""
        spec = replace(self.spec, option=MigrationOption.VALIDATE)
        found = validate(spec, Server(spec.source), Server(spec.target), Recorder())
        return [finding for finding in found if finding.level is Level.FAILED]

    def mend(self) -> set[str]:
        """Do what validation tells of the failures, by its own scripts, and nothing else; return their codes.

        The migration validates once more before it begins, and would not begin if any were left.
        """
        failed = self.failures()
        for finding in failed:
            assert finding.fix_sql and finding.script_use is ScriptUse.NOW, finding
            self._run_as_told(finding)
        return {finding.code for finding in failed}

    def _run_as_told(self, finding: Finding) -> None:
        """A stock server lets nobody but a superuser give REPLICATION; the providers let their administrators."""
        played = self.ends[finding.side is FindingSide.TARGET]
        where = self.databases[0] if finding.database_id else "postgres"
        if finding.code in ("603104", "PM3080"):
            played.superuser(finding.fix_sql, database=where)
            conditions.give_replication(played)
        else:
            played.as_admin(finding.fix_sql, database=where)

    def left_behind(self) -> list[str]:
        """Return what bears our names or was changed by us, on both servers, by a look that is not the product's."""
        name = self.databases[0]
        return [line for end in self.ends for line in end.superuser(OURS, database=name).splitlines()]


@dataclass
class Application:
    """A role that owns and writes everything in one database, at first at the source."""

    role: str
    database: str

    def make(self, played: PlayedServer, *, with_json: bool) -> None:
        """Make its role as the administrator does, and its tables; pgbench's too, with fewer rows."""
        played.as_admin(f"CREATE ROLE {self.role} LOGIN PASSWORD '{PASSWORD}'")
        played.as_admin(f"GRANT CREATE ON DATABASE {self.database} TO {self.role}")
        played.superuser(f"GRANT USAGE, CREATE ON SCHEMA public TO {self.role}", database=self.database)
        script = script_for(played.major)
        if not with_json:  # a subscription does not find whole rows with json in them
            script += "ALTER TABLE shop.log ALTER details TYPE jsonb;"
        played.as_role(self.role, script, database=self.database)
        made = self.pgbench(played.server, "-i", "-q", "-I", "dtGp")
        output, _ = made.communicate(timeout=PATIENCE_SECONDS)
        assert made.returncode == 0, output
        played.superuser("DELETE FROM pgbench_accounts WHERE aid % 20 <> 0", database=self.database)

    def conninfo(self, server: RunningServer) -> str:
        """How it logs in to a server."""
        return f"host=127.0.0.1 port={server.port} dbname={self.database} user={self.role} password={PASSWORD}"

    def pgbench(self, server: RunningServer, *arguments: str) -> subprocess.Popen[str]:
        """Start pgbench as this application."""
        tools = client_tools()
        address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", self.role]
        return subprocess.Popen(
            [tools.path("pgbench"), *address, *arguments, self.database],
            env={**os.environ, **dict(tools.environment), "PGPASSWORD": PASSWORD},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def working(self, server: RunningServer, *, seed: int) -> Iterator[tuple[Workload, subprocess.Popen[str]]]:
        """Let pgbench work, and the writers of nasty transactions, until the end."""
        bench = self.pgbench(server, "-n", "-c", "2", "-T", "600", "-R", "60")
        first = 10 * seed
        try:
            with Workload(self.conninfo(server), seed=seed, first=first, pause_seconds=0.02) as workload:
                yield workload, bench
        finally:
            bench.kill()
            bench.communicate()


@contextmanager
def busy_shop(
    source: PlayedServer,
    target: PlayedServer,
    work_dir: Path,
    *,
    source_type: str,
    online: OnlineOptions,
    sslmode: str | None,
    with_json: bool,
) -> Iterator[tuple[ProviderMove, Application]]:
    """Make the application's database at the source, as yet without anything that an online migration needs."""
    shop = Application(f"app_{uuid.uuid4().hex[:8]}", f"on_{uuid.uuid4().hex[:8]}")
    source.create_database(shop.database)
    shop.make(source, with_json=with_json)
    move = ProviderMove(
        source.server,
        target.server,
        [shop.database],
        work_dir,
        online=online,
        played=(source, target),
        source_type=source_type,
        sslmode=sslmode,
    )
    try:
        yield move, shop
    finally:
        move.stop()
        move.remove()
        for end in (source, target):
            conditions.take_replication(end)


def contents(server: RunningServer, database: str) -> dict[str, object]:
    """Return number and hash of the rows of every table, and the large objects."""
    found: dict[str, object] = {}
    with server.connect(database) as connection:
        for (name,) in connection.execute(TABLES).fetchall():
            found[name] = connection.execute(ROWS.replace("{}", name).encode()).fetchone()
        return found | {"large objects": connection.execute(LARGE_OBJECTS).fetchall()}


def acknowledged_by(bench: subprocess.Popen[str]) -> int:
    """Wait until pgbench was closed out, and return how many transactions it was told are committed."""
    output, _ = bench.communicate(timeout=PATIENCE_SECONDS)
    found = re.search(r"actually processed: (\d+)", output)
    assert found, output
    return int(found[1])


def wait_for_work(workload: Workload, *, more: int) -> None:
    """Let the writers do some more transactions."""
    wanted, deadline = workload.acknowledged + more, time.monotonic() + PATIENCE_SECONDS
    while workload.acknowledged < wanted:
        assert time.monotonic() < deadline, [writer.refusals[-1:] for writer in workload.writers]
        time.sleep(0.02)
