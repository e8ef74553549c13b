"""Rules about the target's settings and state: what slows a migration down, makes it wait or fills the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import ServerContext
from migrations_app.engine.validation.remedies import set_parameters
from migrations_app.engine.validation.rule import server_rule
from migrations_app.engine.validation.wording import counted, listed, size

MEGABYTE = 1024**2
GIGABYTE = 1024**3
# Below this the defaults of a small server cost minutes at most.
WORTH_TUNING_BYTES = 10 * GIGABYTE
SMALL_MAINTENANCE_BYTES = 64 * MEGABYTE
SMALL_WAL_BYTES = 1 * GIGABYTE

WAITS_FOR_STANDBY = code(
    "PM1060",
    Level.WARNING,
    "Commits on the target wait for a standby",
    why="The copy itself does not wait, but whatever commits with the server's own settings does; and a standby that "
    "is slower than the copy keeps WAL on the target's disk.",
    side=FindingSide.TARGET,
)
ARCHIVER_FAILS = code(
    "PM1061",
    Level.WARNING,
    "Target's archiver fails",
    why="WAL that cannot be archived stays on the target's disk, and a migration writes about as much WAL as data.",
    side=FindingSide.TARGET,
)
AUTOVACUUM_OFF = code(
    "PM1062",
    Level.WARNING,
    "Autovacuum is off on the target",
    why="After the migration tables would bloat and their statistics grow stale; only wraparound is prevented.",
    side=FindingSide.TARGET,
)
NOT_CRASH_SAFE = code(
    "PM1063",
    Level.INFO,
    "Target is not safe against a crash",
    why="Without fsync or full_page_writes a power cut can destroy every database of the server.",
    side=FindingSide.TARGET,
)
SLOW_SETTINGS = code(
    "PM1064",
    Level.INFO,
    "Target's settings make the migration slower than it need be",
    why="Indexes are built in maintenance_work_mem, and each checkpoint that max_wal_size forces writes pages twice.",
    side=FindingSide.TARGET,
)
SLOTS_KEEP_WAL = code(
    "PM1065",
    Level.WARNING,
    "Replication slots that nobody reads keep WAL on the target",
    why="All WAL that the migration writes stays on the target's disk for such a slot, until the disk is full.",
    side=FindingSide.TARGET,
)


@dataclass(frozen=True)
class ValueRow:
    """A row of queries/validation_target_settings.sql."""

    name: str
    value: str


@dataclass(frozen=True)
class StandbyRow:
    """A row of queries/validation_standbys.sql."""

    name: str
    state: str | None


def _target_settings(context: ServerContext) -> dict[str, str]:
    with context.target.connected() as connection:
        return {row.name: row.value for row in fetch(connection, "validation_target_settings", ValueRow)}


@server_rule(WAITS_FOR_STANDBY)
def synchronous_standbys(context: ServerContext) -> Iterator[Finding]:
    """Commits on the target do not wait for a standby."""
    settings = _target_settings(context)
    names = settings.get("synchronous_standby_names", "")
    if not names or settings.get("synchronous_commit") in ("off", "local"):
        return
    with context.target.connected() as connection:
        standbys = fetch(connection, "validation_standbys", StandbyRow)
    connected = [row.name for row in standbys if row.state in (None, "sync", "quorum")]
    saw = f"synchronous_standby_names is '{names}'; " + (
        f"connected: {listed(connected)}." if connected else "no such standby is connected, so commits wait for ever."
    )
    yield WAITS_FOR_STANDBY.found(
        context.target.name,
        saw=saw,
        **set_parameters(context.target, {"synchronous_standby_names": ""}, then="Set it back after the migration."),
    )


@dataclass(frozen=True)
class ArchiverRow:
    """A row of queries/validation_archiver.sql."""

    failures: int
    wal: str | None
    failed_at: str | None


@server_rule(ARCHIVER_FAILS)
def target_archiver(context: ServerContext) -> Iterator[Finding]:
    """The target's archiver archives its WAL."""
    if _target_settings(context).get("archive_mode") not in ("on", "always"):
        return
    with context.target.connected() as connection:
        rows = fetch(connection, "validation_archiver", ArchiverRow)
    for row in rows:
        yield ARCHIVER_FAILS.found(
            context.target.name,
            saw=f"It failed {counted(row.failures, 'time')}, the last time at {row.failed_at} with {row.wal}, and has "
            "archived nothing since.",
            fix="Look in the target's log why archive_command (or archive_library) fails and mend that: no space, a "
            "missing directory, a wrong password. Do not delete files from pg_wal.",
        )


@server_rule(AUTOVACUUM_OFF)
def target_autovacuum(context: ServerContext) -> Iterator[Finding]:
    """Autovacuum runs on the target."""
    settings = _target_settings(context)
    off = [name for name in ("autovacuum", "track_counts") if settings.get(name) == "off"]
    if off:
        yield AUTOVACUUM_OFF.found(
            context.target.name,
            saw=f"{' and '.join(off)} {'is' if len(off) == 1 else 'are'} off.",
            **set_parameters(context.target, dict.fromkeys(off, "on")),
        )


@server_rule(NOT_CRASH_SAFE)
def target_crash_safety(context: ServerContext) -> Iterator[Finding]:
    """Tells when the target would not survive a crash."""
    settings = _target_settings(context)
    off = [name for name in ("fsync", "full_page_writes") if settings.get(name) == "off"]
    if off:
        yield NOT_CRASH_SAFE.found(
            context.target.name,
            saw=f"{' and '.join(off)} {'is' if len(off) == 1 else 'are'} off.",
            **set_parameters(
                context.target, dict.fromkeys(off, "on"), then="It may wait until the migration has ended."
            ),
        )


@server_rule(SLOW_SETTINGS)
def target_speed(context: ServerContext) -> Iterator[Finding]:
    """Tells, for large databases, which settings of the target make building indexes and writing slow."""
    moving = sum(facts.size_bytes or 0 for _, facts in context.source_databases)
    if moving < WORTH_TUNING_BYTES:
        return
    settings = _target_settings(context)
    memory, wal = int(settings["maintenance_work_mem"]), int(settings["max_wal_size"])
    proposal = {}
    units = context.target.provider.self_hosted
    if memory <= SMALL_MAINTENANCE_BYTES:
        better = max(256 * MEGABYTE, min(2 * GIGABYTE, int(settings["shared_buffers"]) // 4)) // MEGABYTE
        proposal["maintenance_work_mem"] = f"{better}MB" if units else str(better * 1024)
    if wal <= SMALL_WAL_BYTES:
        proposal["max_wal_size"] = "16GB" if units else str(16 * 1024)
    if proposal:
        yield SLOW_SETTINGS.found(
            context.target.name,
            saw=f"maintenance_work_mem is {size(memory)} and max_wal_size is {size(wal)}, for {size(moving)} to move.",
            **set_parameters(
                context.target,
                proposal,
                then="Up to one index for each job is built at once: the memory must hold that many times "
                "maintenance_work_mem, the disk max_wal_size. Set them back after the migration.",
            ),
        )


@dataclass(frozen=True)
class SlotRow:
    """A row of queries/validation_idle_slots.sql."""

    name: str
    kept_bytes: int


@server_rule(SLOTS_KEEP_WAL)
def target_slots(context: ServerContext) -> Iterator[Finding]:
    """No replication slot on the target keeps WAL that nobody reads."""
    with context.target.connected() as connection:
        slots = fetch(connection, "validation_idle_slots", SlotRow)
    if slots:
        yield SLOTS_KEEP_WAL.found(
            context.target.name,
            saw=f"Nobody reads {listed(f'{slot.name} (keeps {size(slot.kept_bytes)})' for slot in slots)}.",
            fix="Start their readers again, or, if they are forgotten, drop them on the target by the script.",
            fix_sql="\n".join(f"SELECT pg_drop_replication_slot('{slot.name}');" for slot in slots),
            script_use=ScriptUse.CHOICE,
        )
