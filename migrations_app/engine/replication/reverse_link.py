"""The way back: what is made on the new target before it opens, so that no change of it is lost to the old source."""

from __future__ import annotations

from dataclasses import replace

from migrations_app.engine.replication.crossing import Crossing
from migrations_app.engine.replication.failover import choose_failover
from migrations_app.engine.replication.heartbeat import make_heartbeat
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.logical_slot import drop_slot
from migrations_app.engine.replication.lsn import lsn_text, parse_lsn
from migrations_app.engine.replication.plan import ReplicationPlan
from migrations_app.engine.replication.publication import drop_publications, publication_names, publish

BACK = "_back"
MAKE = "SELECT lsn::text FROM pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput')"
MAKE_KEPT = (
    "SELECT lsn::text FROM pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput', failover => true)"  # since 17
)


def reverse_name(name: str) -> str:
    """Return the name of publication, slot and subscription of the way back; ``name`` is that of the way there."""
    return f"{name}{BACK}"


def reverse_plan(plan: ReplicationPlan) -> ReplicationPlan:
    """Return what is followed on the way back: the same tables in the same manner."""
    return replace(plan, name=reverse_name(plan.name), again=())


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
        also_published=publication_names(reverse_plan(plan))[1:],
        passes_over=frozenset(),
        is_way_back=True,
    )


def make_reverse(crossing: Crossing) -> str:
    """Make publications and slot on the database that is entered, while nobody writes there; return what was done.

    The slot begins behind everything that was applied there so far. May be repeated. Raises ``EngineError``.
    """
    job, plan = crossing.job, reverse_plan(crossing.plan)
    database = job.database.target_name
    drop_slot(job.target, database, plan.name)
    if plan.with_heartbeat:
        make_heartbeat(job.target, database)
    publish(job.target, database, plan)
    with job.target.connected(database, purpose="reverse", read_only=False) as target:
        is_kept = choose_failover(job.target, target, name=plan.name).is_wanted
        row = target.execute(MAKE_KEPT if is_kept else MAKE, (plan.name,)).fetchone()
    begins_at = parse_lsn(row[0]) if row else 0
    by_standbys = ", by its standbys too" if is_kept else ""
    return f"changes of {crossing.entered_words} are kept from {lsn_text(begins_at)} on{by_standbys}"


def withdraw_reverse(crossing: Crossing) -> None:
    """Take back what ``make_reverse`` made; where nothing was made nothing is done."""
    job, name = crossing.job, reverse_name(crossing.plan.name)
    drop_slot(job.target, job.database.target_name, name)
    drop_publications(job.target, job.database.target_name, name)
