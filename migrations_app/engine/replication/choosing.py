"""Choose who carries the changes: the target itself where it may and can subscribe to the source, else the portal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrations_app.engine.errors import EngineError
from migrations_app.engine.job import DatabaseJob
from migrations_app.engine.postgres import Error
from migrations_app.engine.postgres.subscription_conninfo import FILE_BOUND
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.link import Link
from migrations_app.engine.replication.server_to_server import without_secret
from migrations_app.engine.replication.subscription import probe_statement
from migrations_app.engine.spec import ApplyChoice


@dataclass(frozen=True)
class Choice:
    """Who carries the changes, and why, as a sentence."""

    kind: ApplyKind
    reason: str


class _RolledBack(Exception):
    """Leaves a transaction without committing it."""


def choose(job: DatabaseJob, link: Link, *, not_comparable: Sequence[str]) -> Choice:
    """Try what the servers allow; nothing is left of the trial. Raises ``EngineError`` for a wish that cannot be.

    ``not_comparable`` are tables whose rows a subscription does not find again.
    """
    wish = job.spec.online.apply
    if wish is ApplyChoice.THROUGH_PORTAL:
        return Choice(ApplyKind.THROUGH_PORTAL, "The portal applies the changes, as chosen.")
    obstacle = why_not_native(job, link) or _of_tables(not_comparable)
    target, source = link.subscriber.endpoint.label, link.publisher.endpoint.label
    if wish is ApplyChoice.SERVER_TO_SERVER:
        if obstacle:
            raise EngineError(
                f"{target} cannot subscribe to {source}: {obstacle}",
                hint="Mend that, or let the changes go through the portal.",
            )
        return Choice(ApplyKind.SERVER_TO_SERVER, f"{target} subscribes to {source}, as chosen.")
    if job.spec.source.sslmode in FILE_BOUND and not obstacle:
        obstacle = (
            f"the source's certificate is checked ({job.spec.source.sslmode}), which needs a file that the target's "
            "machine does not have."
        )
    if obstacle:
        return Choice(ApplyKind.THROUGH_PORTAL, f"The portal applies the changes, since {obstacle}")
    return Choice(
        ApplyKind.SERVER_TO_SERVER,
        f"{target} subscribes to {source}: a trial showed that it may and that it reaches it.",
    )


def _of_tables(labels: Sequence[str]) -> str:
    """https://www.postgresql.org/docs/18/logical-replication-publication.html"""
    if not labels:
        return ""
    return (
        f"these tables send whole rows and have a column type without equality, such as json, by which a subscription "
        f"finds no row: {', '.join(labels[:10])}."
    )


def why_not_native(job: DatabaseJob, link: Link) -> str:
    """Return what keeps the subscriber from subscribing, as the end of a sentence; empty where nothing does."""
    with link.subscriber.connected(link.subscriber_database, purpose="probe", read_only=False) as connection:
        connection.execute("SET statement_timeout = '30s'")
        try:
            with connection.transaction():
                job.markers.hold_on(connection)
                connection.execute(probe_statement(link))
                raise _RolledBack
        except _RolledBack:
            return ""
        except Error as error:
            if connection.closed or job.control.stopping:
                raise
            return f"a trial on {link.subscriber.endpoint.label} was refused ({without_secret(str(error), link)})."
