"""The last steps on the target, and what to say when it does not come to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from migrations_app.engine.errors import EngineError
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import sql
from migrations_app.engine.target.event_triggers import put_to_sleep, read_asleep, wake
from migrations_app.engine.target.settings import set_last_properties
from migrations_app.engine.target.statistics import analyze

ANALYZE_ONLY_VERSION = 180000  # before, ANALYZE of a partitioned table analyzes its partitions once more


def analyze_rest(job: DatabaseJob) -> None:
    """Collect statistics of partitioned tables; every other table was analyzed after its indexes.

    https://www.postgresql.org/docs/18/sql-analyze.html
    """
    only = job.target_version >= ANALYZE_ONLY_VERSION
    with job.target.connected(job.database.target_name, purpose="analyze") as connection:
        rows = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
            " ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND NOT c.relispartition ORDER BY 1, 2"
        ).fetchall()
        for schema, name in rows:
            analyze(job, connection, (schema, name), only=only)


@contextmanager
def durable(job: DatabaseJob) -> Iterator[None]:
    """What is committed inside is on the target's disk at the end, although our sessions do not wait for it.

    A server that crashes loses the last moments of such commits without any of our sessions needing to notice.
    So one connection stays open from the beginning: if it is alive at the end nothing was lost, and its own commit
    waits for the disk. Raises ``ConnectionLost`` otherwise: the work must be looked at again.
    https://www.postgresql.org/docs/18/wal-async-commit.html
    """
    with job.target.connected(job.database.target_name, purpose="anchor") as anchor:
        try:
            yield
        except EngineError:
            if not job.control.stopping:
                anchor.execute("SELECT 1")
            raise
        with anchor.transaction():
            job.markers.hold_on(anchor)
            job.markers.add(anchor, kind="step", keys=["durable"])
            anchor.execute("SET LOCAL synchronous_commit = on")


def forget_notes(job: DatabaseJob) -> None:
    """Remove our notes, durably: this commit waits for the disk, and with it everything before is on the disk.

    Harmless when they are gone already. Just before, the database gets its last properties: whoever is interrupted in
    between finds the notes and does both again. Its own event triggers are enabled by the same commit, so that none
    of them sees us.
    """
    with job.target.connected(job.database.target_name, purpose="finish") as connection:
        if not job.markers.are_ours(connection):
            return
        job.markers.take_over(connection)
        set_last_properties(job, connection)
        with connection.transaction():
            job.markers.hold_on(connection)
            connection.execute("SET LOCAL synchronous_commit = on")
            asleep = read_asleep(connection)
            put_to_sleep(connection, asleep)  # a cutover has woken them already
            job.markers.remove(connection)
            wake(job, connection, asleep)


def describe_target(job: DatabaseJob) -> str:
    """Say what is on the target now, and how to remove it."""
    name = job.database.target_name
    try:
        with job.target.connected(name, purpose="describe", read_only=True) as connection:
            if not job.markers.are_ours(connection):
                return f"The target has a database {name} that this migration did not begin; it was not changed."
            done = job.markers.read(connection, "part")
    except EngineError as error:
        return f"It could not be seen what is on the target ({error.message})"
    tables = {key.rsplit("#", 1)[0] for key in done}
    drop = sql.SQL("DROP DATABASE {};").format(sql.Identifier(name)).as_string(None)
    return (
        f"The target has the database {name}, incomplete: rows of {len(tables):,} tables are there. "
        f"Resume to go on with it, or remove it with: {drop}"
    )
