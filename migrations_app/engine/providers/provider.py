"""What a provider of PostgreSQL is: its traces, what on its servers is its own, and how things are done there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

NOTHING = r"(?!)"


class Done(StrEnum):
    """Whether a prerequisite is met, as far as one look at the server tells."""

    DONE = "done"
    NOT_DONE = "not done"
    CANNOT_BE_SEEN = "cannot be seen"


class Look(StrEnum):
    """What of a server's facts tells whether a prerequisite is met; see ``readiness.py``."""

    NOTHING = ""
    REACHED = "reached"
    VERSION = "version"
    ENCRYPTED = "encrypted"
    DIRECT = "direct"
    PRIMARY = "primary"
    READS_EVERYTHING = "reads everything"
    WAL_LEVEL = "wal level"
    SLOTS = "slots"
    REPLICATION = "replication"
    CREATES_DATABASES = "creates databases"
    CREATES_ROLES = "creates roles"
    WRITABLE = "writable"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Prerequisite:
    """One thing to see to before a migration: what, why and how, with ``commands`` in ``language`` (sql, shell, text).

    ``look`` names the facts that tell whether it is done; without one nobody can tell from outside.
    """

    key: str
    title: str
    text: str
    commands: str = ""
    language: str = "sql"
    online_only: bool = False
    needs_restart: bool = False
    look: Look = Look.NOTHING


@dataclass(frozen=True)
class Tls:
    """TLS rules: what the server demands, whose certificates it shows, and how far they can be checked.

    ``verify_full`` tells whether the certificate names the host that people connect to; ``fetch`` is the shell command
    that brings ``authority``, empty where a console hands it out or machines trust it already.
    """

    rule: str = "The administrator decides, in postgresql.conf (ssl) and pg_hba.conf (hostssl)."
    authority: str = "the authority that signed the server's certificate, from its administrator"
    fetch: str = ""
    verify_full: bool = True
    advice: str = ""


@dataclass(frozen=True)
class EndpointKind:
    """A kind of host name. ``pattern`` is searched in ``host:port``; ``problem`` says why not to migrate through it."""

    key: str
    name: str
    pattern: str
    reads_only: bool = False
    is_balanced: bool = False
    is_pooled: bool = False
    problem: str = ""


@dataclass(frozen=True)
class OwnParameter:
    """A setting that goes by another name here: ``wal_level = logical`` is ``rds.logical_replication = 1`` on RDS."""

    name: str
    value: str
    own_name: str
    own_value: str


@dataclass(frozen=True)
class ParameterPlace:
    """Where the server's parameters are set, and with which tool.

    ``where`` continues "Set x = 1 …"; ``restart`` continues the sentence when a restart is needed. ``tool``
    names who writes the command, in ``parameters.py``; it is empty where there is only a console. ``only`` names the
    parameters that can be changed where the others cannot, ``refusal`` says so where none can.
    """

    where: str = "in postgresql.conf or with ALTER SYSTEM"
    restart: str = "then restart PostgreSQL"
    reload: str = "then reload the configuration"
    tool: str = "sql"
    own: tuple[OwnParameter, ...] = ()
    only: tuple[str, ...] = ()
    remark: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Remedy:
    """What to do, in words, and the same to type; ``language`` is ``sql`` or ``shell``, ``script`` may be empty."""

    text: str
    script: str = ""
    language: str = "sql"


@dataclass(frozen=True)
class Provider:
    """One kind of PostgreSQL service.

    How it is told: ``settings``, ``marker_roles`` and ``databases`` are traces that only this provider leaves;
    ``host_pattern`` is a hint only (``told_by_host``: the only difference from a relative), ``endpoints``
    tells kinds of host names (``host:port``) apart.
    What is its own and never copied: ``databases``, ``role_pattern``, ``schemas``, ``extensions``, ``event_triggers``,
    event triggers of ``event_trigger_owners``, and grants to its roles.
    ``source_types`` are further values that people may choose for it; ``administrator`` says what its administrator may
    do, ``limits`` what the service cannot do. ``online`` completes "Online …" on a card.
    ``bypass_rls`` says who may give BYPASSRLS where there is no superuser.
    ``chosen_as`` is the source type to choose where that is not the key.
    """

    key: str
    name: str
    settings: tuple[str, ...] = ()
    marker_roles: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    has_aurora_version: bool = False
    told_by_host: bool = False
    version_word: str = ""
    host_pattern: str = NOTHING
    role_pattern: str = NOTHING
    schemas: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    event_triggers: tuple[str, ...] = ()
    event_trigger_owners: tuple[str, ...] = ()
    endpoints: tuple[EndpointKind, ...] = ()
    source_types: tuple[str, ...] = ()
    chosen_as: str = ""
    self_hosted: bool = False
    administrator: str = ""
    limits: tuple[str, ...] = ()
    parameters: ParameterPlace = ParameterPlace()
    replication_grant: LiteralString = "ALTER ROLE {} REPLICATION;"
    replication_roles: tuple[str, ...] = ()
    administrator_role: str = ""
    bypass_rls: str = ""
    tls: Tls = Tls()
    network: str = ""
    login: str = ""
    can_online: bool = True
    why_offline_only: str = ""
    online: str = "needs wal_level = logical and a restart"
    is_logical_already: bool = False
    prerequisites: tuple[Prerequisite, ...] = ()
    target_prerequisites: tuple[Prerequisite, ...] = ()

    @property
    def parameter_place(self) -> str:
        """Where parameters are set, with a restart: "in the DB parameter group, then reboot the instance"."""
        return f"{self.parameters.where}, {self.parameters.restart}"

    @property
    def owns_some_roles(self) -> bool:
        """Tell whether some roles are this provider's."""
        return self.role_pattern != NOTHING

    def owns_role(self, role: str) -> bool:
        """Tell whether ``role`` belongs to PostgreSQL or to this provider and is never copied."""
        return role.startswith("pg_") or role in self.marker_roles or bool(re.search(self.role_pattern, role))

    def owns_grantee(self, role: str) -> bool:
        """Tell whether grants to ``role`` are the provider's and never copied."""
        return not role.startswith("pg_") and self.owns_role(role)

    def owns_database(self, database: str) -> bool:
        """Tell whether ``database`` belongs to this provider and is never offered."""
        return database in self.databases

    def owns_schema(self, schema: str) -> bool:
        """Tell whether ``schema`` belongs to this provider and is never copied."""
        return schema in self.schemas

    def owns_extension(self, extension: str) -> bool:
        """Tell whether ``extension`` exists only on this provider's servers."""
        return extension in self.extensions

    def owns_event_trigger(self, name: str, *, owner: str) -> bool:
        """Tell whether an event trigger is the provider's: by its name, or because its owner is."""
        return name in self.event_triggers or owner in self.event_trigger_owners or self.owns_role(owner)

    def accepts(self, source_type: str) -> bool:
        """Tell whether somebody who chose ``source_type`` meant this provider."""
        return source_type == self.key or source_type in self.source_types

    def recognizes_host(self, host: str) -> bool:
        """Tell whether ``host`` is a name in this provider's own domain."""
        return bool(re.search(self.host_pattern, host, re.IGNORECASE))

    def endpoint_kind(self, host: str, port: int) -> EndpointKind | None:
        """Return what kind of host name this is, None where the provider has one kind only."""
        address = f"{host}:{port}"
        return next((kind for kind in self.endpoints if re.search(kind.pattern, address, re.IGNORECASE)), None)
