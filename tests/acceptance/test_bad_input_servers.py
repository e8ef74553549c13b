"""Bad input: servers that are reached and then cannot do it: rights, read-only, disk full, databases that vanish."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_app.engine.findings import Level
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationOption, MigrationSpec, Side
from migrations_app.engine.validation.context import ServerContext, see
from migrations_app.engine.validation.rules.versions import source_version
from migrations_app.models import Migration, MigrationEvent, State
from migrations_app.services.runs import migration_resume, migration_start
from tests.acceptance.conducting import During, Ended, drive, run, sessions, slow_table
from tests.fixtures.migrations import note_tests
from tests.fixtures.servers import RunningServer, ServerPool

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = (
    "CREATE TABLE t (id int PRIMARY KEY, filler text);"
    "INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 2000) g;"
)
MIB = 1024**2


@pytest.fixture
def source(servers: ServerPool) -> RunningServer:
    return servers.get(17)


@pytest.fixture
def target(servers: ServerPool) -> RunningServer:
    return servers.get(18)


@pytest.fixture
def database(source: RunningServer, target: RunningServer) -> Iterator[str]:
    with source.fresh_database() as name:
        source.psql(ROWS, database=name)
        yield name
        for left in databases_of(target):
            target.drop_database(left)


@contextmanager
def poor_role(server: RunningServer, database: str = "postgres") -> Iterator[tuple[str, str]]:
    """A role that may log in and nothing else."""
    server.psql("DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN PASSWORD 'poor password'")
    yield "poor", "poor password"
    server.psql("DROP OWNED BY poor; DROP ROLE poor", database=database)


def databases_of(server: RunningServer) -> list[str]:
    return server.psql("SELECT datname FROM pg_database WHERE datname LIKE 'db\\_%' OR datname LIKE '\\_mig%'").split()


def test_a_source_user_without_rights(make_migration, source, target, database) -> None:
    with poor_role(source, database) as (user, password):
        endpoint = source.endpoint(user=user, password=password)
        ended = run(make_migration, endpoint, target.endpoint(Side.TARGET), database)
    assert ended.state == State.FAILED
    assert "lacks a privilege" in ended.words and "permission denied for table t" in ended.words
    assert "Grant" in ended.remedies
    assert "DROP DATABASE" in ended.database.on_target
    assert sessions(source) == sessions(target) == []


def test_a_source_user_without_rights_is_found_before_anything_moves(make_migration, source, target, database) -> None:
    with poor_role(source, database) as (user, password):
        endpoint = source.endpoint(user=user, password=password)
        option = MigrationOption.VALIDATE_AND_MIGRATE
        ended = run(make_migration, endpoint, target.endpoint(Side.TARGET), database, option=option)
    assert ended.state == State.VALIDATION_FAILED
    assert "GRANT" in ended.remedies
    assert database not in databases_of(target)


def test_a_target_user_without_rights(make_migration, source, target, database) -> None:
    with poor_role(target) as (user, password):
        endpoint = target.endpoint(Side.TARGET, user=user, password=password)
        ended = run(make_migration, source.endpoint(), endpoint, database)
    assert ended.state == State.FAILED
    assert "could not be created" in ended.words and "lacks a privilege" in ended.words
    assert ended.remedies.strip()
    assert database not in databases_of(target)


def test_a_target_that_is_read_only(make_migration, servers: ServerPool, source, database) -> None:
    with servers.fresh(18, default_transaction_read_only="on") as standing_still:
        endpoint = standing_still.endpoint(Side.TARGET)
        ended = run(make_migration, source.endpoint(), endpoint, database, option=MigrationOption.VALIDATE_AND_MIGRATE)
        assert ended.state == State.VALIDATION_FAILED
        assert "default_transaction_read_only" in ended.words and "ALTER SYSTEM" in ended.remedies
        assert databases_of(standing_still) == []


def test_a_target_that_is_smaller_than_the_data(make_migration, source, target, database) -> None:
    ended = run(
        make_migration, source.endpoint(), target.endpoint(Side.TARGET), database,
        option=MigrationOption.VALIDATE_AND_MIGRATE, target_free_bytes=1 * MIB,
    )  # fmt: skip
    assert ended.state == State.VALIDATION_FAILED
    assert [finding.code for finding in ended.failed] == ["PM1010"]
    assert "1.0 MB are free (stated in the options)" in ended.words
    assert "Enlarge the target's storage by at least" in ended.remedies
    assert database not in databases_of(target)


def test_a_target_whose_disk_is_full(make_migration, servers: ServerPool, source, database) -> None:
    """The server keeps its databases on a file system of 64 MiB, and really runs out of room while rows are copied."""
    source.psql(
        "CREATE TABLE big (id int, filler text); ALTER TABLE big ALTER filler SET STORAGE PLAIN;"
        "INSERT INTO big SELECT g, repeat(md5(g::text), 60) FROM generate_series(1, 30000) g",
        database=database,
    )
    with servers.fresh(18) as target, small_disk(target, megabytes=64):
        ended = run(make_migration, source.endpoint(), target.endpoint(Side.TARGET), database)
        assert ended.state == State.FAILED
        assert "disk of" in ended.words and "is full" in ended.words, ended.words
        assert "No space left on device" in ended.words
        assert "Enlarge the storage" in ended.remedies
        assert "incomplete" in ended.database.on_target and "DROP DATABASE" in ended.database.on_target
        assert sessions(source) == sessions(target) == []


@contextmanager
def small_disk(server: RunningServer, *, megabytes: int) -> Iterator[None]:
    """Restart a server with its databases on a small file system that only it can see."""
    base = server.cluster.data_dir / "base"
    server.stop()
    kept = base.with_name("base.kept")
    script = (
        f'mount -t tmpfs -o size={megabytes}m,mode=0700,uid=$3,gid=$4 tmpfs "$1" && cp -a "$2/." "$1" '
        '&& shift 4 && exec "$@"'
    )
    base.rename(kept)
    base.mkdir(mode=0o700)
    os.chown(base, kept.stat().st_uid, kept.stat().st_gid)
    owner = [str(kept.stat().st_uid), str(kept.stat().st_gid)]
    identity = server.cluster._identity(server.cluster.data_dir)
    server.cluster._configure(identity)
    pg_ctl = server.cluster.installation.tool("pg_ctl")
    start = identity.command(pg_ctl, "-D", server.cluster.data_dir, "-l", server.cluster.log_file, "-w", "-s", "start")
    subprocess.run(
        [*_own_mounts(), "sh", "-c", script, "sh", str(base), str(kept), *owner, *start], check=True, timeout=60
    )
    try:
        yield
    finally:
        server.stop()
        if base.is_mount():
            subprocess.run(["umount", base], check=True)


def _own_mounts() -> list[str]:
    """Return what lets a command have mounts of its own; an ordinary user needs a user namespace for it."""
    if os.geteuid() == 0:
        own = ["unshare", "--mount"]
        in_chroot = subprocess.run([*own, "true"], capture_output=True, check=False).returncode != 0
        # There "/" is no mount whose propagation could be changed, so the mount may show outside too.
        return [*own, "--propagation", "unchanged"] if in_chroot else own
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"]


def test_a_source_database_dropped_while_it_is_copied(make_migration, source, target, database) -> None:
    source.psql(slow_table("slow", rows=200, milliseconds_per_row=20), database=database)
    with During(target, "copy", lambda: source.drop_database(database), query="COPY%"):
        ended = run(make_migration, source.endpoint(), target.endpoint(Side.TARGET), database)
    assert ended.state == State.FAILED
    assert f"no database {database}" in ended.words or "no longer exists" in ended.words, ended.words
    assert "dropped or renamed" in ended.remedies
    assert "DROP DATABASE" in ended.database.on_target
    assert sessions(source) == sessions(target) == []


def test_a_target_database_dropped_while_it_is_filled(make_migration, source, target, database) -> None:
    """Somebody dropped it: the migration begins it anew, and says so; it never ends half done."""
    source.psql(slow_table("slow", rows=200, milliseconds_per_row=20), database=database)
    with During(target, "copy", lambda: target.drop_database(database), query="COPY%"):
        ended = run(make_migration, source.endpoint(), target.endpoint(Side.TARGET), database)
    told = MigrationEvent.objects.filter(migration=ended.migration, message__startswith="Created the database")
    assert ended.state == State.SUCCEEDED, ended.words
    assert told.count() == 2
    assert target.psql("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM slow)", database=database) == "2000|200"


def test_a_target_restarted_while_it_is_filled(make_migration, servers: ServerPool, source, database) -> None:
    """The restart is waited for, and the page tells that it was."""
    target = servers.get(18, name="restarted")
    source.psql(slow_table("slow", rows=200, milliseconds_per_row=20), database=database)
    with During(target, "copy", lambda: target.restart("immediate"), query="COPY%"):
        ended = run(make_migration, source.endpoint(), target.endpoint(Side.TARGET), database)
    assert ended.state == State.SUCCEEDED, ended.words
    assert ended.database.verified == "identical"
    assert MigrationEvent.objects.filter(migration=ended.migration, message__contains="Trying again in").exists()
    assert sessions(source) == sessions(target) == []
    target.drop_database(database)


@pytest.mark.parametrize(("number", "codes"), [(90624, ["603400"]), (100000, []), (180003, []), (190000, ["PM1001"])])
def test_a_source_older_than_supported(source, target, number: int, codes: list[str]) -> None:
    """The rule at its boundary: a real server's facts, with the version that no server here has."""
    seen, other = see(Server(source.endpoint())), see(Server(target.endpoint(Side.TARGET)))
    major = number // 10000
    text = f"PostgreSQL {major}.{number // 100 % 100 or number % 100}"
    settings = replace(seen.facts.settings, version_number=number, version_text=text)
    seen = replace(seen, facts=replace(seen.facts, major=major, settings=settings))
    spec = MigrationSpec("4b1e", "test", source.endpoint(), target.endpoint(Side.TARGET), ())
    findings = list(source_version(ServerContext(spec, seen, other)))
    assert [finding.code for finding in findings] == codes
    assert all(finding.level is Level.FAILED and finding.fix and finding.saw for finding in findings)
    assert "9.6" in findings[0].saw if number == 90624 else True


def test_the_portals_own_disk_is_full(make_migration, source, target, database, settings, tmp_path: Path) -> None:
    """/dev/full stands where pg_dump writes its file: the kernel itself says that there is no space."""
    settings.VAR_DIR = tmp_path
    ended = run_with_full_file(make_migration, source, target, database, name="schema.dump", folder=tmp_path)
    assert ended.state == State.FAILED
    assert "portal's own disk" in ended.words and "No space left on device" in ended.words, ended.words
    assert "Free space" in ended.remedies and "resume" in ended.remedies
    assert "DROP DATABASE" in ended.database.on_target
    (tmp_path / "work" / str(ended.migration.pk) / str(ended.database.pk) / "schema.dump").unlink()
    migration_resume(ended.migration.pk)
    again = drive(ended.migration)
    assert again.state == State.SUCCEEDED, again.words


def test_the_portals_own_disk_is_full_for_its_own_files(
    make_migration, source, target, database, settings, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    ended = run_with_full_file(make_migration, source, target, database, name="schema.exclude", folder=tmp_path)
    assert ended.state == State.FAILED
    assert "portal's own disk" in ended.words, ended.words
    assert "Free space" in ended.remedies


def run_with_full_file(make_migration, source, target, database, *, name: str, folder: Path) -> Ended:
    """Move all but one table, with /dev/full in the place of a file of the work directory."""
    source.psql("CREATE TABLE left_out ()", database=database)
    migration: Migration = make_migration(
        source=source.endpoint(), target=target.endpoint(Side.TARGET), databases=[database], option="Migrate"
    )
    row = migration.databases.get()
    row.selection = {"exclude_tables": [["public", "left_out"]]}
    row.save()
    note_tests()
    work_dir = folder / "work" / str(migration.pk) / str(row.pk)
    work_dir.mkdir(parents=True)
    (work_dir / name).symlink_to("/dev/full")
    migration_start(migration.pk)
    return drive(migration)
