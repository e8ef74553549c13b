"""The last steps on the target, and what to say when it does not come to them."""

from __future__ import annotations

from migrations_app.engine.errors import EngineError
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import qualified, sql


def analyze_rest(job: DatabaseJob) -> None:
    """Collect statistics of partitioned tables; every other table was analyzed after its indexes."""
    with job.target.connected(job.database.target_name, purpose="analyze") as connection:
        rows = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
            " ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND NOT c.relispartition ORDER BY 1, 2"
        ).fetchall()
        for schema, name in rows:
            job.control.check()
            connection.execute(sql.SQL("ANALYZE {}").format(qualified(schema, name)))


def forget_notes(job: DatabaseJob) -> None:
    """Remove our notes, durably: this commit waits for the disk, and with it everything before is on the disk.

    Harmless when they are gone already.
    """
    with job.target.connected(job.database.target_name, purpose="finish") as connection:
        if not job.markers.are_ours(connection):
            return
        job.markers.take_over(connection)
        with connection.transaction():
            job.markers.hold_on(connection)
            connection.execute("SET LOCAL synchronous_commit = on")
            job.markers.remove(connection)


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
