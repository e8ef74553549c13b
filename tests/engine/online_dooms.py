"""What an online migration cannot survive: it has to be told before the cutover, and no cutover may succeed after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from migrations_app.engine.ports import RequestKind
from migrations_app.engine.spec import ApplyChoice, VerificationLevel
from tests.engine.online_stage import Stage

WITHIN_SECONDS = 90
ANY = (VerificationLevel.NONE, VerificationLevel.COUNTS, VerificationLevel.FULL)
# Rows that somebody changed on the target are seen by who compares rows, unless the apply stumbles over them before.
ROWS = (VerificationLevel.FULL,)


@dataclass(frozen=True)
class Doom:
    """``levels``: at which verification the cutover must be refused."""

    kind: str
    act: Callable[[Stage], object]
    levels: tuple[VerificationLevel, ...] = ANY
    engine: ApplyChoice | None = None  # of whom else it does not happen


def _drop_slot(stage: Stage) -> None:
    slots = f"FROM pg_replication_slots WHERE slot_name = '{stage.move.name_of(stage.database)}'"
    deadline = time.monotonic() + 30
    with stage.move.source.connect() as session:
        while session.execute(f"SELECT 1 {slots}").fetchone():
            assert time.monotonic() < deadline
            session.execute(f"SELECT pg_terminate_backend(active_pid) {slots} AND active")
            with suppress(psycopg.errors.ObjectInUse):  # its reader came back meanwhile
                session.execute(f"SELECT pg_drop_replication_slot(slot_name) {slots} AND NOT active")


def _invalidate_slot(stage: Stage) -> None:
    source, name = stage.move.source, stage.move.name_of(stage.database)
    stage.answer(RequestKind.PAUSE)
    source.psql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    source.cluster.reload()
    deadline = time.monotonic() + 60
    while source.psql(f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{name}'").strip() != "lost":
        assert time.monotonic() < deadline
        source.psql("SELECT pg_logical_emit_message(false, 'x', repeat('x', 100000)), pg_switch_wal(); CHECKPOINT")
    stage.ask(RequestKind.CONTINUE)


def _remove_row(stage: Stage) -> None:
    stage.move.target.psql("DELETE FROM shop.still WHERE id = 7", database=stage.database)
    if stage.dice.random() < 0.7:
        stage.move.write("UPDATE shop.still SET words = 'changed' WHERE id = 7")


def _change_row(stage: Stage) -> None:
    stage.move.target.psql("UPDATE shop.still SET words = 'by somebody' WHERE id = 8", database=stage.database)


def _put_in_the_way(stage: Stage) -> None:
    stage.move.target.psql("INSERT INTO shop.still VALUES (100, 'in the way')", database=stage.database)
    stage.move.write("INSERT INTO shop.still VALUES (100, 'refused')")


def _unpublish(stage: Stage) -> None:
    name = stage.move.name_of(stage.database)
    stage.move.write(f'ALTER PUBLICATION "{name}" DROP TABLE ONLY shop.still')
    stage.move.write("UPDATE shop.still SET words = 'not sent' WHERE id = 9")


def _unpublish_for_a_moment(stage: Stage) -> None:
    """Afterwards everything looks as before, and a change is missing."""
    name = stage.move.name_of(stage.database)
    _unpublish(stage)
    stage.move.write(f'ALTER PUBLICATION "{name}" ADD TABLE ONLY shop.still')


def _publish_inserts_only(stage: Stage) -> None:
    name = stage.move.name_of(stage.database)
    stage.move.write(f"ALTER PUBLICATION \"{name}\" SET (publish = 'insert')")
    stage.move.write("UPDATE shop.still SET words = 'not sent' WHERE id = 10")
    stage.move.write(f"ALTER PUBLICATION \"{name}\" SET (publish = 'insert, update, delete, truncate')")


def _drop_publication(stage: Stage) -> None:
    stage.move.write(f'DROP PUBLICATION "{stage.move.name_of(stage.database)}"')
    stage.move.write("UPDATE shop.still SET words = 'not sent' WHERE id = 11")


def _drop_subscription(stage: Stage) -> None:
    name = stage.move.name_of(stage.database)
    for statement in (f"ALTER SUBSCRIPTION {name} DISABLE", f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"):
        stage.move.target.psql(statement, database=stage.database)
    stage.move.target.psql(f"DROP SUBSCRIPTION {name}", database=stage.database)


def _skip_transactions(stage: Stage) -> None:
    """Somebody moves the slot on while nobody reads from it."""
    source, name = stage.move.source, stage.move.name_of(stage.database)
    stage.answer(RequestKind.PAUSE)
    stage.move.write("UPDATE shop.still SET words = 'skipped' WHERE id = 12")
    for _ in range(100):
        if not source.psql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}' AND active").strip():
            break
        time.sleep(0.1)
    source.psql(f"SELECT pg_replication_slot_advance('{name}', pg_current_wal_lsn())", database=stage.database)
    stage.ask(RequestKind.CONTINUE)


DOOMS = (
    Doom("slot dropped", _drop_slot),
    Doom("slot invalidated", _invalidate_slot),
    Doom("row removed on the target", _remove_row, ROWS),
    Doom("row changed on the target", _change_row, ROWS),
    Doom("row in the way on the target", _put_in_the_way),
    Doom("table taken out of the publication", _unpublish),
    Doom("table out of the publication for a moment", _unpublish_for_a_moment),
    Doom("publication of insertions only for a moment", _publish_inserts_only),
    Doom("publication dropped", _drop_publication),
    Doom("subscription dropped", _drop_subscription, engine=ApplyChoice.SERVER_TO_SERVER),
    Doom("slot moved on by somebody", _skip_transactions, engine=ApplyChoice.THROUGH_PORTAL),
    # A subscription's own position lags behind its slot's in good times too: rows alone can tell.
    Doom("slot moved on", _skip_transactions, ROWS, engine=ApplyChoice.SERVER_TO_SERVER),
)


def doom(stage: Stage, kind: Doom) -> None:
    """Do it, and see that it is told and that no cutover succeeds; the source stays in use."""
    kind.act(stage)
    level = stage.dice.choice(kind.levels)
    stage.said.append(f"doom: {kind.kind}, verification {level.value}")
    number = stage.ask(RequestKind.CUTOVER, level=level)
    deadline = time.monotonic() + WITHIN_SECONDS
    while number not in stage.move.requests.ended and not stage.has_ended:
        stage.keep_running()
        assert time.monotonic() < deadline, (stage.move.log.notes[-10:], stage.move.log.findings)
        time.sleep(0.05)
    succeeded, message = stage.move.requests.ended.get(number, (False, ""))
    message = message or "; ".join(each.message for each in stage.move.log.failures)
    assert not succeeded, f"{kind.kind}: the cutover succeeded at level {level.value}: {message}"
    assert message, f"{kind.kind}: nothing was told"
    stage.said.append(f"refused ({message[:110]})")
    before = stage.workload.acknowledged
    stage.wait_for(lambda: stage.workload.acknowledged > before + 10, 30)


def dooms_for(engine: ApplyChoice) -> list[Doom]:
    """What can happen with this engine."""
    return [each for each in DOOMS if each.engine in (None, engine)]
