"""Rules about what the source user may do: replicate, create a publication, publish every table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres.replication import refusal_of_replication
from migrations_app.engine.providers.parameters import how_to_allow_replication
from migrations_app.engine.validation.catalog import RelationRow
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.online import online_database_rule, online_server_rule
from migrations_app.engine.validation.remedies import fix_of
from migrations_app.engine.validation.wording import counted, listed, statement

NO_REPLICATION = code(
    "603104",
    Level.FAILED,
    "Source user may not replicate",
    why="Making a replication slot and reading from it needs the REPLICATION attribute, or the role that the service "
    "has for it.",
    side=FindingSide.SOURCE,
)
REFUSED = code(
    "PM3071",
    Level.FAILED,
    "Source refuses a replication connection",
    why="Changes are read through a connection of its own kind, which was tried and ended at once.",
    side=FindingSide.SOURCE,
)
NO_CREATE = code(
    "PM3072",
    Level.FAILED,
    "Source user may not create a publication",
    why="A publication names the tables whose changes are sent; creating it needs CREATE on the database.",
    side=FindingSide.SOURCE,
)
NOT_OWNED = code(
    "PM3073",
    Level.FAILED,
    "Source user does not own every table",
    why="Only the owner of a table, or a member who inherits the owner's rights, may publish it.",
    side=FindingSide.SOURCE,
)


@online_server_rule(NO_REPLICATION, REFUSED)
def may_replicate(context: ServerContext) -> Iterator[Finding]:
    """The source starts a replication connection for the source user (tried, without making a slot)."""
    privileges, provider = context.source.facts.privileges, context.source.provider
    if not provider.can_online:
        return
    database = next((facts.name for _, facts in context.source_databases if facts.connectable), "")
    has_attribute = privileges.superuser or privileges.replication
    if context.source.facts.pooler and has_attribute:
        return
    refusal = refusal_of_replication(context.source.server, database or context.source.facts.database)
    if not refusal:
        return
    if has_attribute:
        yield _refused(context, refusal)
        return
    fix = fix_of(how_to_allow_replication(provider, privileges.user))
    roles = f", and no use of {listed(provider.replication_roles)}" if provider.replication_roles else ""
    yield NO_REPLICATION.found(
        f"Source user {privileges.user}",
        saw=f"The user has neither REPLICATION nor SUPERUSER{roles}; a replication connection was refused.",
        fix=fix["fix"],
        fix_sql=fix["fix_sql"],
        server_message=refusal,
    )


def _refused(context: ServerContext, refusal: str) -> Finding:
    return REFUSED.found(
        f"Source {context.source.facts.label}",
        saw=f"{context.source.user} may replicate, but the connection was refused: {refusal.splitlines()[-1]}",
        fix="Look whether max_wal_senders is used up, whether pg_hba.conf lets this user in, and whether a proxy "
        "stands between the portal and PostgreSQL.",
        server_message=refusal,
    )


@dataclass(frozen=True)
class PublishingRow:
    """The row of queries/online_publishing.sql."""

    may_create: bool


@online_database_rule(NO_CREATE)
def may_create_publication(context: DatabaseContext) -> Iterator[Finding]:
    """The source user may create a publication in the database."""
    if not context.row("online_publishing", PublishingRow).may_create:
        name, user = context.database.source_name, context.source.user
        yield NO_CREATE.found(
            f"Database {name}",
            saw=f"{user} lacks CREATE on the database.",
            fix="Run the script on the source as the database's owner or an administrator.",
            fix_sql=statement("GRANT CREATE ON DATABASE {} TO {};", name, user),
        )


@dataclass(frozen=True)
class OwnerRow:
    """A row of queries/online_unowned_tables.sql: an owner whose rights the user lacks, and its tables by oid."""

    owner: str
    is_superuser: bool
    is_member: bool
    tables: Sequence[int]


@online_database_rule(NOT_OWNED)
def may_publish_tables(context: DatabaseContext) -> Iterator[Finding]:
    """The source user owns every table that is published, itself or by inheritance."""
    published = {row.oid: row for row in _published(context)}
    owners: list[tuple[OwnerRow, list[RelationRow]]] = []
    for owner in context.rows("online_unowned_tables", OwnerRow):
        if tables := [published[oid] for oid in owner.tables if oid in published]:
            owners.append((owner, tables))
    if owners:
        yield _not_owned(context, owners)


def _published(context: DatabaseContext) -> Iterator[RelationRow]:
    """Yield what a publication names: from PostgreSQL 13 on a partitioned table stands for its partitions."""
    whole_trees = context.source.facts.major >= 13
    for row in context.tables:
        if not row.is_unlogged and (not row.is_partition if whole_trees else row.kind == "r"):
            yield row


def _not_owned(context: DatabaseContext, owners: Sequence[tuple[OwnerRow, list[RelationRow]]]) -> Finding:
    user = context.source.user
    count = sum(len(tables) for _, tables in owners)
    words = (
        f"{counted(len(tables), 'table')} of {owner.owner} ({listed((row.label for row in tables), limit=3)})"
        for owner, tables in owners
    )
    return NOT_OWNED.found(
        f"{counted(count, 'table')} of {context.database.source_name}",
        saw=f"{user} does not have the rights of the owners of {listed(words)}.",
        fix=_fix_of_owners(context, [owner for owner, _ in owners]),
        fix_sql="\n".join(_membership(context, owner) for owner, _ in owners),
    )


def _fix_of_owners(context: DatabaseContext, owners: Sequence[OwnerRow]) -> str:
    words = f"Run the script on the source as an administrator: {context.source.user} then has the owners' rights."
    mighty = [owner.owner for owner in owners if owner.is_superuser]
    if mighty:
        words += (
            f" {listed(mighty)} {'are superusers' if len(mighty) > 1 else 'is a superuser'}: where that must not be "
            "granted, give these tables another owner (ALTER TABLE … OWNER TO), or log in as a superuser."
        )
    return words


def _membership(context: DatabaseContext, owner: OwnerRow) -> str:
    user = context.source.user
    if context.source.facts.major >= 16:
        return statement("GRANT {} TO {} WITH INHERIT TRUE;", owner.owner, user)
    if owner.is_member:
        return statement("ALTER ROLE {} INHERIT;", user)
    return statement("GRANT {} TO {};", owner.owner, user)
