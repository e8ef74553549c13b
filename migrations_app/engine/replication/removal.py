"""Remove what carried the changes of one direction: apply, slot and publication; what is gone already is no error."""

from __future__ import annotations

from migrations_app.engine.errors import EngineError, Stopped
from migrations_app.engine.findings import Level
from migrations_app.engine.postgres import Server, sql
from migrations_app.engine.replication import subscription
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.logical_slot import drop_slot
from migrations_app.engine.replication.publication import drop_publications, inserts_name


def remove_link(crossing: Crossing) -> None:
    """Remove apply, slot and publication of a direction that is no longer needed.

    What cannot be removed now is told with the statements, and removed at the end of the migration.
    """
    job = crossing.job
    try:
        crossing.engine.stop()
        crossing.engine.remove()
        drop_slot(job.source, job.database.source_name, crossing.link.name)
        drop_publications(job.source, job.database.source_name, crossing.link.name)
    except Stopped:
        raise
    except EngineError as error:
        statements = " ".join(statements_to_remove(crossing.link.name))
        job.note(
            f"What carried the changes could not be removed yet ({error.message}). It holds back the log of "
            f"{job.source.endpoint.label}: remove it there in {job.database.source_name} with: {statements}",
            level=Level.WARNING,
        )


def statements_to_remove(name: str) -> list[str]:
    """Return what a person types on the publishing server, in the published database."""
    names = (name, inserts_name(name))
    return [
        sql.SQL("SELECT pg_drop_replication_slot({});").format(sql.Literal(name)).as_string(None),
        *(sql.SQL("DROP PUBLICATION IF EXISTS {};").format(sql.Identifier(each)).as_string(None) for each in names),
    ]


def drop_subscription(server: Server, database: str, name: str) -> bool:
    """Drop a subscription and leave its slot alone; False where there is none. Raises ``EngineError``."""
    with server.connected(database, purpose="drop-subscription", read_only=False) as connection:
        if not subscription.exists(connection, name):
            return False
        subscription.drop(connection, name)
    return True
