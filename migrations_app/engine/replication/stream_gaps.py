"""Tell whether every change was sent: publications, subscription and source are those of the beginning."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import fetch
from migrations_app.engine.replication.apply import ApplyKind
from migrations_app.engine.replication.heartbeat import SCHEMA, TABLE
from migrations_app.engine.replication.link import Following, Link
from migrations_app.engine.replication.publication import published_tables
from migrations_app.engine.replication.source_identity import is_another, read_source_identity


@dataclass(frozen=True)
class PublicationMark:
    """A publication, or a table of one, and the row of the catalog that makes it."""

    label: str
    row: str


def read_marks(publisher: Connection, publications: Sequence[str]) -> tuple[PublicationMark, ...]:
    """Return what will tell that nobody changed these publications meanwhile, not even back again."""
    return tuple(fetch(publisher, "follow_publication", PublicationMark, names=list(publications)))


def read_definitions(publisher: Connection, publications: Sequence[str]) -> tuple[PublicationMark, ...]:
    """Return what will tell that nobody changed the columns of these tables meanwhile, not even back again."""
    return tuple(fetch(publisher, "follow_definitions", PublicationMark, names=list(publications)))


def missing_tables(
    publisher: Connection, subscriber: Connection, following: Following, *, but: Collection[str] = ()
) -> list[str]:
    """Return the tables that are not published now, or that the subscription does not know; not those in ``but``."""
    link, published = following.link, published_tables(publisher, following.link.publications)
    missing: list[str] = []
    if following.engine.kind is ApplyKind.SERVER_TO_SERVER:
        known = {(row.schema, row.name) for row in fetch(subscriber, "follow_subscribed", _Subscribed, name=link.name)}
        missing = [f"{schema}.{name}" for schema, name in published - known]
    expected = {table.full_name for table in link.tables}
    expected |= {(SCHEMA, TABLE)} if following.plan.with_heartbeat else set()
    missing += [f"{schema}.{name} (not published)" for schema, name in expected - published]
    return sorted(words for words in missing if words.removesuffix(" (not published)") not in but)


def changed_publications(
    publisher: Connection, link: Link, marks: Sequence[PublicationMark], *, but: Collection[str] = ()
) -> list[str]:
    """Return the publications, and the tables of them, that somebody changed since ``marks`` were taken.

    Not those in ``but``, nor tables that are not followed any more. A table that was renamed is the same.
    """
    now = {mark.row for mark in read_marks(publisher, link.publications)}
    expected = {*link.publications, *(".".join(table.full_name) for table in link.tables)} - {*but}
    return sorted(mark.label for mark in marks if mark.row not in now and mark.label in expected)


def doubts(
    publisher: Connection,
    subscriber: Connection,
    following: Following,
    *,
    marks: Sequence[PublicationMark],
    defined: Sequence[PublicationMark],
    source_identity: str,
) -> Iterator[str]:
    """Yield a sentence for each reason to doubt that all changes are on the other side; only rows can tell then."""
    link = following.link
    if missing := missing_tables(publisher, subscriber, following):
        yield f"The changes of these tables do not arrive: {', '.join(missing[:20])}."
    if changed := changed_publications(publisher, link, marks):
        yield (
            f"Somebody changed what the publication {link.name} publishes, so changes may be missing: "
            f"{', '.join(changed[:20])}."
        )
    if defined:
        same = {mark.row for mark in read_definitions(publisher, link.publications)}
        if redefined := sorted(mark.label for mark in defined if mark.row not in same):
            yield f"The definitions of these tables were changed meanwhile: {', '.join(redefined[:20])}."
    now = read_source_identity(publisher)
    if is_another(source_identity, now):
        yield (
            f"{link.publisher.endpoint.label} is another server, or on another time line, than when the slot was made, "
            f"so changes may be missing: {now} instead of {source_identity} (system identifier and time line)."
        )


@dataclass(frozen=True)
class _Subscribed:
    schema: str
    name: str
