"""Choose who carries the changes: the entered server itself where it may and can subscribe, else the portal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from migrations_app.engine.errors import ConnectionFailed, ConnectionLost, EngineError, Stopped
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Connection, Error, errors
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.postgres.subscription_conninfo import FILE_BOUND
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.crossing import reversed_job
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.plan import ReplicationPlan
from migrations_app.engine.replication.planning import not_comparable
from migrations_app.engine.replication.position import Position
from migrations_app.engine.replication.server_to_server import without_secret
from migrations_app.engine.replication.subscription import probe_statement
from migrations_app.engine.spec import ApplyChoice

TRUNCATE_SINCE, TAKES_ROLES_SINCE = 110000, 160000
TRIAL_PAUSES_SECONDS = (1, 2)


@dataclass(frozen=True)
class Choice:
    """Who carries the changes, and why, as a sentence."""

    kind: ApplyKind
    reason: str


@dataclass(frozen=True)
class ForeignTable:
    """A row of queries/foreign_owners.sql: a table to which a subscription of our user may not apply, and its owner."""

    table: str
    owner: str


class _RolledBack(Exception):
    """Leaves a transaction without committing it."""


def choose(job: DatabaseJob, link: Link, *, unfindable: Sequence[str]) -> Choice:
    """Try what the servers allow; nothing is left of the trial. Raises ``EngineError`` for a wish that cannot be.

    ``unfindable`` are tables whose rows a subscription does not find again.
    """
    wish = job.spec.online.apply
    if wish is ApplyChoice.THROUGH_PORTAL:
        return Choice(ApplyKind.THROUGH_PORTAL, "The portal applies the changes, as chosen.")
    obstacle = why_not_native(job, link) or _of_tables(unfindable)
    target, source = link.subscriber.endpoint.label, link.publisher.endpoint.label
    if wish is ApplyChoice.SERVER_TO_SERVER:
        if obstacle:
            raise EngineError(
                f"{target} cannot subscribe to {source}: {obstacle}",
                hint="Mend that, or let the changes go through the portal.",
            )
        return Choice(ApplyKind.SERVER_TO_SERVER, f"{target} subscribes to {source}, as chosen.")
    return _what_goes(link, obstacle or _of_certificate(link))


def choose_back(job: DatabaseJob, link: Link, plan: ReplicationPlan) -> Choice:
    """Try who can bring the changes of the new target to the old source; nothing is left of the trial.

    A database that was cut over needs its way back whatever a server refuses: a wish for a subscription is no demand.
    """
    if job.spec.online.apply is ApplyChoice.THROUGH_PORTAL:
        return Choice(ApplyKind.THROUGH_PORTAL, "The portal brings the changes back, as chosen.")
    try:
        obstacle = _of_way_back(job, link, plan)
    except (Stopped, ConnectionLost, ConnectionFailed):
        raise
    except EngineError as error:
        obstacle = f"the servers could not be asked: {error.message} {error.server_message}".strip()
    return _what_goes(link, obstacle or _of_certificate(link))


def _of_way_back(job: DatabaseJob, link: Link, plan: ReplicationPlan) -> str:
    if obstacle := _of_past(job, link) or why_not_native(reversed_job(job), link):
        return obstacle
    with link.publisher.connected(link.publisher_database, purpose="look", read_only=True) as publisher:
        unfindable = not_comparable(publisher, plan)
    with link.subscriber.connected(link.subscriber_database, purpose="look", read_only=True) as subscriber:
        return _of_tables(unfindable) or _of_owners(subscriber, plan)


def _of_past(job: DatabaseJob, link: Link) -> str:
    """TRUNCATE travels since 11, and a subscriber of 10 ends at it; what the portal began it goes on with."""
    label = link.subscriber.endpoint.label
    if job.source_version < TRUNCATE_SINCE:
        return f"{label} is older than PostgreSQL 11, whose subscriptions end at a TRUNCATE."
    with link.subscriber.connected(link.subscriber_database, purpose="look", read_only=True) as subscriber:
        if Position(link.name, link.fence).read(subscriber) is not None:
            return f"it began to apply them to {label}."
    return ""


def _what_goes(link: Link, obstacle: str) -> Choice:
    if obstacle:
        return Choice(ApplyKind.THROUGH_PORTAL, f"The portal applies the changes, since {obstacle}")
    subscriber, publisher = link.subscriber.endpoint.label, link.publisher.endpoint.label
    return Choice(
        ApplyKind.SERVER_TO_SERVER,
        f"{subscriber} subscribes to {publisher}: a trial showed that it may and that it reaches it.",
    )


def _of_certificate(link: Link) -> str:
    publisher = link.publisher.endpoint
    if publisher.sslmode not in FILE_BOUND:
        return ""
    return (
        f"the certificate of {publisher.label} is checked ({publisher.sslmode}), which needs a file that the machine "
        f"of {link.subscriber.endpoint.label} does not have."
    )


def _of_owners(subscriber: Connection, plan: ReplicationPlan) -> str:
    """A subscription applies to each table as the table's owner, whose role its own owner must be able to take.

    To a partition it applies as the owner of the partitioned table.

    https://www.postgresql.org/docs/18/logical-replication-security.html
    """
    schemas, names = zip(*(table.full_name for table in plan.followed), strict=True) if plan.followed else ((), ())
    foreign = read_foreign_tables(subscriber, schemas=schemas, names=names)
    if not foreign:
        return ""
    labels = ", ".join(f"{each.table} ({each.owner})" for each in foreign[:10])
    return f"{subscriber.info.user} may not act as the owner of these tables: {labels}."


def read_foreign_tables(
    subscriber: Connection, *, schemas: Sequence[str], names: Sequence[str]
) -> Sequence[ForeignTable]:
    """Return which of the tables, and of their partitions, a subscription of our user may not write to."""
    right = "SET" if subscriber.info.server_version >= TAKES_ROLES_SINCE else "USAGE"
    return fetch(subscriber, "foreign_owners", ForeignTable, schemas=[*schemas], names=[*names], right=right)


def _of_tables(labels: Sequence[str]) -> str:
    """https://www.postgresql.org/docs/18/logical-replication-publication.html"""
    if not labels:
        return ""
    return (
        f"these tables send whole rows and have a column type without equality, such as json, by which a subscription "
        f"finds no row: {', '.join(labels[:10])}."
    )


def why_not_native(job: DatabaseJob, link: Link) -> str:
    """Return what keeps the subscriber from subscribing, as the end of a sentence; empty where nothing does.

    A connection that was refused is tried again: it may have been cut for a moment, and the choice is for weeks.
    """
    for pause in (*TRIAL_PAUSES_SECONDS, 0):
        words, is_connection = _trial(job, link)
        if not (words and is_connection and pause):
            break
        job.control.check()
        time.sleep(pause)
    return words


def _trial(job: DatabaseJob, link: Link) -> tuple[str, bool]:
    """Return what was refused, and whether that was the connection to the publisher."""
    with link.subscriber.connected(link.subscriber_database, purpose="probe", read_only=False) as connection:
        connection.execute("SET statement_timeout = '30s'")
        try:
            with connection.transaction():
                job.markers.hold_on(connection)
                connection.execute(probe_statement(link))
                raise _RolledBack
        except _RolledBack:
            return "", False
        except Error as error:
            if connection.closed or job.control.stopping:
                raise
            words = f"a trial on {link.subscriber.endpoint.label} was refused ({without_secret(str(error), link)})."
            return words, isinstance(error, errors.ConnectionFailure) or "could not connect" in str(error)
