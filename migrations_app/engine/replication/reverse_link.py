"""The way back: what is made on the new target before it opens, so that no change of it is lost to the old source."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.engine.postgres import Connection, qualified, sql
from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.lsn import lsn_text, parse_lsn
from migrations_app.engine.replication.plan import FollowedTable, ReplicationPlan, Treatment
from migrations_app.engine.replication.removal import drop_publications, drop_slot

HEARTBEAT = sql.SQL("_migration_portal.heartbeat")
BACK = "_back"


def reverse_name(name: str) -> str:
    """Return the name of publication, slot and subscription of the way back; ``name`` is that of the way there."""
    return f"{name}{BACK}"


def reverse_plan(plan: ReplicationPlan) -> ReplicationPlan:
    """Return what is followed on the way back: the same tables in the same manner."""
    return replace(plan, name=reverse_name(plan.name))


def reverse_of(link: Link, plan: ReplicationPlan) -> Link:
    """Return the link from the new target to the old source."""
    return replace(
        link,
        publisher=link.subscriber,
        publisher_database=link.subscriber_database,
        subscriber=link.publisher,
        subscriber_database=link.publisher_database,
        name=reverse_name(plan.name),
        address="",
    )


def make_reverse(crossing: Crossing) -> str:
    """Make publication and slot on the database that is entered, while nobody writes there; return what was done.

    The slot begins behind everything that was applied there so far. May be repeated. Raises ``EngineError``.
    """
    job, name = crossing.job, reverse_name(crossing.plan.name)
    database = job.database.target_name
    drop_slot(job.target, database, name)
    drop_publications(job.target, database, name)
    with job.target.connected(database, purpose="reverse", read_only=False) as target:
        with target.transaction():
            job.markers.hold_on(target)
            _publish(target, name, crossing.plan)
        row = target.execute(
            "SELECT lsn::text FROM pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput')", (name,)
        ).fetchone()
    begins_at = parse_lsn(row[0]) if row else 0
    return f"changes of {crossing.entered_words} are kept from {lsn_text(begins_at)} on"


def _publish(target: Connection, name: str, plan: ReplicationPlan) -> None:
    tables = [table for table in plan.followed if table.treatment is Treatment.FOLLOW]
    names: list[sql.Composable] = [qualified(*table.full_name) for table in tables]
    names += [HEARTBEAT] if plan.with_heartbeat else []
    through_root = target.info.server_version >= 130000
    target.execute(
        sql.SQL("CREATE PUBLICATION {} FOR TABLE {}{}").format(
            sql.Identifier(name),
            sql.SQL(", ").join(names),
            sql.SQL(" WITH (publish_via_partition_root = true)" if through_root and _has_root(tables) else ""),
        )
    )


def _has_root(tables: list[FollowedTable]) -> bool:
    return any(table.is_root for table in tables)


def withdraw_reverse(crossing: Crossing) -> None:
    """Take back what ``make_reverse`` made; where nothing was made nothing is done."""
    job, name = crossing.job, reverse_name(crossing.plan.name)
    drop_slot(job.target, job.database.target_name, name)
    drop_publications(job.target, job.database.target_name, name)
