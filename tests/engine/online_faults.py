"""What may happen to an online migration at any moment, and must cost nothing but time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import psycopg

from migrations_app.engine.errors import LeaseLost
from migrations_app.engine.ports import RequestKind
from portal.local_postgres import ClusterError
from tests.engine.online_stage import Stage
from tests.fixtures.servers import RunningServer

Fault = Callable[[Stage], str]
CLIENTS = ("psql", "pg_dump", "pg_restore")
OURS = "application_name LIKE 'pgmig%'"
WORKERS = "backend_type LIKE 'logical replication%apply%'"
SENDERS = "backend_type = 'walsender'"
UP_WITHIN_SECONDS = 60


def _end_sessions(server: RunningServer, like: str) -> str:
    return server.psql(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        f" AND ({like}) ORDER BY random() LIMIT 2) AS chosen"
    ).strip()


def end_ours_on_source(stage: Stage) -> str:
    """An administrator ends sessions of ours."""
    return f"sessions on the source ended: {_end_sessions(stage.move.source, f'{OURS} OR {SENDERS}')}"


def end_ours_on_target(stage: Stage) -> str:
    """An administrator ends sessions of ours, or the worker of the subscription."""
    return f"sessions on the target ended: {_end_sessions(stage.move.target, f'{OURS} OR {WORKERS}')}"


def end_writers(stage: Stage) -> str:
    """The application's own sessions end in the middle of a transaction."""
    return f"writers ended: {_end_sessions(stage.move.source, f'datname = {chr(39)}{stage.database}{chr(39)}')}"


def _kill_backend(server: RunningServer, like: str) -> str:
    """A process of the server dies, as by the kernel's out-of-memory killer: the server recovers from a crash."""
    found = server.psql(f"SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND ({like}) LIMIT 1").strip()
    if not found:
        return "none"
    with suppress(ProcessLookupError):
        os.kill(int(found), signal.SIGKILL)
    _until_up(server)
    return "1"


def _until_up(server: RunningServer) -> None:
    deadline = time.monotonic() + UP_WITHIN_SECONDS
    time.sleep(0.3)
    while True:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, server.cluster.log_tail()
            time.sleep(0.2)


def kill_backend_of_source(stage: Stage) -> str:
    """A server process of the source dies by a signal that no process survives."""
    return f"server process of the source killed: {_kill_backend(stage.move.source, f'{OURS} OR {SENDERS}')}"


def kill_backend_of_target(stage: Stage) -> str:
    """A server process of the target dies by a signal that no process survives."""
    return f"server process of the target killed: {_kill_backend(stage.move.target, f'{OURS} OR {WORKERS}')}"


def restart_source(stage: Stage) -> str:
    """Maintenance of the source."""
    stage.move.source.restart("fast")
    return "source restarted"


def restart_target(stage: Stage) -> str:
    """Maintenance of the target."""
    stage.move.target.restart("fast")
    return "target restarted"


def crash_source(stage: Stage) -> str:
    """Power cut at the source."""
    stage.move.source.kill()
    time.sleep(stage.dice.random())
    stage.move.source.start()
    return "source killed"


def crash_target(stage: Stage) -> str:
    """Power cut at the target."""
    stage.move.target.kill()
    time.sleep(stage.dice.random())
    stage.move.target.start()
    return "target killed"


def take_over(stage: Stage) -> str:
    """The worker lost its lease; another one takes over."""
    if not stage.is_running or stage.move.thread is None:
        return "taken over: nobody"
    stage.move.control.stop(LeaseLost("Another worker owns the migration."))
    stage.move.thread.join(60)
    assert not stage.is_running, "a run that lost its lease goes on"
    stage.keep_running()
    return "taken over: 1"


def kill_portal(stage: Stage) -> str:
    """The process that migrates is killed; another one takes over."""
    if not stage.move.in_child:
        return take_over(stage)
    killed = stage.move.kill()
    stage.keep_running()
    return f"portal process killed: {1 if killed else 'none'}"


def kill_client(stage: Stage) -> str:
    """A client program of ours dies."""
    parent = psutil.Process(stage.move.process.pid) if stage.move.in_child and stage.move.process else psutil.Process()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            for child in parent.children(recursive=True):
                if child.name() in CLIENTS:
                    child.kill()
                    return f"client killed: {child.name()}"
        time.sleep(0.02)
    return "client killed: none"


def cut_wire(stage: Stage) -> str:
    """Every connection to one of the servers is reset, the subscription's as well."""
    which = stage.dice.choice(["source", "target"])
    wire = stage.move.source_wire if which == "source" else stage.move.target_wire
    assert wire is not None
    if stage.dice.random() < 0.5:
        return f"{which} wire cut: {wire.cut()}"
    return f"{which} wire cut and refused: {wire.refuse(stage.dice.uniform(0.5, 4))}"


def stall_wire(stage: Stage) -> str:
    """Nothing passes for some seconds, and nobody says so."""
    which = stage.dice.choice(["source", "target"])
    wire = stage.move.source_wire if which == "source" else stage.move.target_wire
    assert wire is not None
    seconds, then_cut = stage.dice.uniform(1, 6), stage.dice.random() < 0.5
    wire.stall(seconds, then_cut=then_cut)
    return f"{which} wire stalled{' and cut' if then_cut else ''}: {seconds:.1f} s"


def slow_wire(stage: Stage) -> str:
    """A slow way for some seconds: 30 ms for each piece."""
    wire = stage.dice.choice([stage.move.source_wire, stage.move.target_wire])
    assert wire is not None
    wire.delay_seconds = 0.03
    time.sleep(stage.dice.uniform(1, 4))
    wire.delay_seconds = 0.0
    return "wire slowed: 1"


def pause_and_continue(stage: Stage) -> str:
    """A person lets the apply rest for a moment."""
    paused, why = stage.answer(RequestKind.PAUSE)
    time.sleep(stage.dice.random() * 2)
    continued, also = stage.answer(RequestKind.CONTINUE)
    assert paused and continued, (why, also)
    return "paused and continued: 1"


def many_rows(stage: Stage) -> str:
    """One transaction of 150,000 changes, with a piece of it rolled back."""
    tenant = stage.dice.randint(10**8, 10**9)
    script = (
        f"BEGIN; INSERT INTO shop.ledger SELECT {tenant}, i, i, repeat('y', 40), NULL FROM generate_series(1, 100000) i;"
        f"SAVEPOINT a; DELETE FROM shop.ledger WHERE tenant = {tenant}; ROLLBACK TO a;"
        f"UPDATE shop.ledger SET no = no + 1000000, note = 'moved' WHERE tenant = {tenant} AND no <= 20000;"
        f"DELETE FROM shop.ledger WHERE tenant = {tenant} AND no BETWEEN 30000 AND 59999; COMMIT"
    )
    with suppress(ClusterError):  # a fault may have ended it: then it is not there
        stage.move.source.psql(script, database=stage.database)
    return "big transaction: 1"


DURING_COPY: tuple[Fault, ...] = (
    end_ours_on_source, end_ours_on_target, end_writers, kill_backend_of_source, kill_backend_of_target, restart_source,
    restart_target, crash_source, crash_target, take_over, kill_portal, kill_portal, kill_client, kill_client, cut_wire,
    cut_wire, stall_wire, slow_wire, many_rows,
)  # fmt: skip
WHILE_FOLLOWING: tuple[Fault, ...] = (*(each for each in DURING_COPY if each is not kill_client), pause_and_continue)
IN_CUTOVER: tuple[Fault, ...] = tuple(each for each in DURING_COPY if each not in (kill_client, many_rows, slow_wire))
