"""What to see to before a migration, at each provider: in words, with commands, and how it is told to be done."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.engine.postgres import sql
from migrations_app.engine.providers.parameters import can_set, how_to_allow_replication, how_to_set
from migrations_app.engine.providers.provider import Look, Prerequisite, Provider
from migrations_app.engine.spec import Side

USER = "migration_user"
SLOTS_AND_SENDERS = {"max_replication_slots": "20", "max_wal_senders": "20"}
PG_HBA = """\
# postgresql.conf
listen_addresses = '*'
# pg_hba.conf, with the portal's address; both take effect after: SELECT pg_reload_conf();
hostssl  all  {user}  PORTAL-ADDRESS/32  scram-sha-256"""
WITHOUT_KEY = """\
-- In each database: tables that have neither a primary key nor another replica identity.
SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
   AND c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary);
-- Give each a key, or else a unique index without nulls, or else the whole row, for example:
--   ALTER TABLE shop.event ADD PRIMARY KEY (id);
--   ALTER TABLE shop.event REPLICA IDENTITY USING INDEX event_uid_key;
--   ALTER TABLE shop.event REPLICA IDENTITY FULL;"""


def prerequisites_of(
    provider: Provider, *, side: Side, online: bool, user: str = "", host: str = ""
) -> tuple[Prerequisite, ...]:
    """Return what ``side`` needs at ``provider``, in the order of doing; ``user`` and ``host`` fill the commands in."""
    user = user or USER
    if side is Side.TARGET:
        found = [*_connection(provider, user), *_target(provider, user, host=host), *provider.target_prerequisites]
    else:
        found = [*_connection(provider, user), *_source(user), *provider.prerequisites]
        found += _online(provider, user, host=host) if provider.can_online else []
    return tuple(each for each in found if online or not each.online_only)


def _connection(provider: Provider, user: str) -> Iterator[Prerequisite]:
    yield Prerequisite(
        "network",
        "The portal reaches the server",
        provider.network or "The firewall lets this machine's address in.",
        PG_HBA.format(user=user) if provider.self_hosted else "",
        "text",
        look=Look.REACHED,
    )
    problems = " ".join(kind.problem for kind in provider.endpoints if kind.problem)
    yield Prerequisite(
        "direct",
        "A direct address",
        f"The host name leads to one server: to no connection pooler and to no reader. {problems}".strip(),
        look=Look.DIRECT,
    )
    tls = provider.tls
    full = "verify-full checks it, host name included." if tls.verify_full else "verify-ca checks it."
    yield Prerequisite(
        "tls",
        "An encrypted connection",
        f"{tls.rule} {tls.advice or f'Upload {tls.authority}; {full}'}",
        tls.fetch,
        "shell",
        look=Look.ENCRYPTED,
    )


def _source(user: str) -> Iterator[Prerequisite]:
    yield Prerequisite(
        "version", "PostgreSQL 10 to 18", "An older source must be upgraded first, with pg_upgrade.", look=Look.VERSION
    )
    yield Prerequisite(
        "reads",
        "A user who may read everything that moves",
        "Tables, sequences and large objects, with row security not in its way. Validation names each object that the "
        "user cannot read. A superuser, or the owner of everything, needs no grants.",
        "-- PostgreSQL 14 and newer:\n"
        + _filled("GRANT pg_read_all_data TO {};", user)
        + "\n-- Every version, for each role that owns tables:\n"
        + _filled("GRANT {} TO {};", "app_owner", user),
        look=Look.READS_EVERYTHING,
    )


def _online(provider: Provider, user: str, *, host: str) -> Iterator[Prerequisite]:
    yield Prerequisite(
        "primary",
        "The primary, not a standby",
        "A publication is made on the primary; a standby refuses it.",
        online_only=True,
        look=Look.PRIMARY,
    )
    yield _logical(provider, host=host)
    yield _slots(provider, host=host)
    remedy = how_to_set(provider, {"wal_sender_timeout": "0"}, restart=False, host=host)
    yield Prerequisite(
        "timeout",
        "No time limit for the slot's reader",
        "While a large transaction is decoded nothing is sent; the default of wal_sender_timeout, a minute or half of "
        f"one, then ends the session. {remedy.text}"
        + (" Set it back afterwards." if can_set(provider, ("wal_sender_timeout",)) else ""),
        remedy.script,
        remedy.language,
        online_only=True,
    )
    remedy = how_to_allow_replication(provider, user)
    yield Prerequisite(
        "replication",
        "A user who may replicate",
        remedy.text,
        remedy.script,
        remedy.language,
        online_only=True,
        look=Look.REPLICATION,
    )
    yield _publishing(user)
    yield Prerequisite(
        "keys",
        "A primary key on each table",
        "Without a replica identity the application's own UPDATE and DELETE fail as soon as the table is published.",
        WITHOUT_KEY,
        online_only=True,
    )


def _logical(provider: Provider, *, host: str) -> Prerequisite:
    title = "Logical decoding is on"
    if provider.is_logical_already:
        text = f"{provider.name} has wal_level = logical from the start: nothing to do."
        return Prerequisite("logical", title, text, online_only=True, look=Look.WAL_LEVEL)
    settings = {"wal_level": "logical"} | ({} if provider.parameters.only else SLOTS_AND_SENDERS)
    remedy = how_to_set(provider, settings, restart=True, host=host)
    return Prerequisite(
        "logical",
        title,
        remedy.text,
        remedy.script,
        remedy.language,
        online_only=True,
        needs_restart=True,
        look=Look.WAL_LEVEL,
    )


def _slots(provider: Provider, *, host: str) -> Prerequisite:
    """Where logical decoding must be switched on, the same script and restart bring slots and senders."""
    remedy = how_to_set(provider, SLOTS_AND_SENDERS, restart=True, host=host)
    is_own = provider.is_logical_already or bool(provider.parameters.only)
    return Prerequisite(
        "slots",
        "Replication slots and WAL senders",
        "Each database that moves takes one of both, free now, and max_wal_senders is not below max_replication_slots. "
        f"Twenty of each suit most servers. {remedy.text if is_own else 'The script above sets them.'}",
        remedy.script if is_own else "",
        remedy.language,
        online_only=True,
        needs_restart=can_set(provider, SLOTS_AND_SENDERS),
        look=Look.SLOTS,
    )


def _publishing(user: str) -> Prerequisite:
    return Prerequisite(
        "publishing",
        "A user who may publish the tables",
        "It may create in each database and is a member of each role that owns tables.",
        _filled("GRANT CREATE ON DATABASE {} TO {};", "shop", user)
        + "\n"
        + _filled("GRANT {} TO {};", "app_owner", user),
        online_only=True,
    )


def _target(provider: Provider, user: str, *, host: str) -> Iterator[Prerequisite]:
    yield Prerequisite(
        "writable",
        "A primary that accepts writes",
        "A standby, or a server whose storage is nearly full, is read-only. Room for 1.25 times the source is needed.",
        look=Look.WRITABLE,
    )
    if provider.administrator_role:
        yield Prerequisite(
            "administrator",
            f"A user in {provider.administrator_role}",
            provider.administrator,
            _filled("GRANT {} TO {};", provider.administrator_role, user),
            look=Look.ADMINISTRATOR,
        )
    yield Prerequisite(
        "databases",
        "A user who may create databases",
        "Each database is made under a name of the portal's own and renamed when it is complete.",
        _filled("ALTER ROLE {} CREATEDB;", user),
        look=Look.CREATES_DATABASES,
    )
    yield Prerequisite(
        "roles",
        "A user who may create roles",
        "Needed to copy roles and to give objects to their owners; without it choose to skip roles, under Options.",
        _filled("ALTER ROLE {} CREATEROLE;", user),
        look=Look.CREATES_ROLES,
    )


def _filled(template: str, *names: str) -> str:
    """Return ``template`` with quoted names; a plain name stays as it is."""
    return template.format(*(sql.Identifier(name).as_string() for name in names))
