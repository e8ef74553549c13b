"""The statements of a native subscription, by the versions of both servers.

https://www.postgresql.org/docs/18/sql-createsubscription.html
"""

from __future__ import annotations

from migrations_app.engine.postgres import Connection, sql
from migrations_app.engine.postgres.subscription_conninfo import conninfo_for_server
from migrations_app.engine.replication.link import Link

STREAMING_SINCE, PARALLEL_SINCE, ORIGIN_SINCE, FAILOVER_SINCE = 140000, 160000, 160000, 170000
PROBE = "pgmig_probe"
EXISTS = "SELECT 1 FROM pg_catalog.pg_stat_subscription WHERE subname = %s AND relid IS NULL"


def exists(subscriber: Connection, name: str) -> bool:
    """Tell whether there is a subscription of this name; the view is readable where pg_subscription is not."""
    return subscriber.execute(EXISTS, (name,)).fetchone() is not None


def create_statement(
    link: Link, *, publisher_version: int, subscriber_version: int, binary: bool, failover: bool = False
) -> sql.Composed:
    """Return CREATE SUBSCRIPTION for a slot that exists and rows that are copied; it is made disabled.

    ``binary``: see binary_form.py.

    ``disable_on_error`` stays off: it would disable the subscription for every cut connection as well. Its worker
    tries again every five seconds, and errors that do not pass are seen in their number. ``failover``: the slot is kept
    by standbys; since 17 a subscriber takes that from a slot that it is given, unless it is told the same.
    """
    options = [
        sql.SQL("create_slot = false, copy_data = false, enabled = false, slot_name = {}").format(
            sql.Literal(link.name)
        )
    ]
    both = min(publisher_version, subscriber_version)
    if both >= PARALLEL_SINCE:
        options.append(sql.SQL("streaming = parallel").format())
    elif both >= STREAMING_SINCE:
        options.append(sql.SQL("streaming = on").format())
    if binary:
        options.append(sql.SQL("binary = true").format())
    if subscriber_version >= ORIGIN_SINCE:
        options.append(sql.SQL("origin = none").format())
    if failover and subscriber_version >= FAILOVER_SINCE:
        options.append(sql.SQL("failover = true").format())
    return _create(link, link.name, publications=link.publications, options=sql.SQL(", ").join(options))


def probe_statement(link: Link) -> sql.Composed:
    """Return a CREATE SUBSCRIPTION that logs in to the publisher and can be rolled back: it touches no slot."""
    options = sql.SQL("create_slot = false, copy_data = false, enabled = false, slot_name = NONE")
    return _create(link, PROBE, publications=(PROBE,), options=options)


def _create(link: Link, name: str, *, publications: tuple[str, ...], options: sql.Composable) -> sql.Composed:
    conninfo = conninfo_for_server(link.publisher.endpoint, database=link.publisher_database, address=link.address)
    return sql.SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {} WITH ({})").format(
        sql.Identifier(name),
        sql.Literal(conninfo),
        sql.SQL(", ").join(map(sql.Identifier, publications)),
        options,
    )


def alter(subscriber: Connection, name: str, change: str) -> None:
    """Run ALTER SUBSCRIPTION: ``ENABLE``, ``DISABLE`` or ``SET (...)``."""
    subscriber.execute(sql.SQL("ALTER SUBSCRIPTION {} {}").format(sql.Identifier(name), sql.SQL(change)))


def drop(subscriber: Connection, name: str) -> None:
    """Drop a subscription and leave its slot alone: the publishing server need not be there."""
    alter(subscriber, name, "DISABLE")
    alter(subscriber, name, "SET (slot_name = NONE)")
    subscriber.execute(sql.SQL("DROP SUBSCRIPTION IF EXISTS {}").format(sql.Identifier(name)))
