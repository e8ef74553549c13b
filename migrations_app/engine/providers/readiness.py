"""Tell from one look at a server which prerequisites are met; what the look did not see is never said to be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from migrations_app.engine.providers.provider import Done, Look, Prerequisite, Provider
from migrations_app.engine.spec import Side

OLDEST = {Side.SOURCE: 10, Side.TARGET: 11}
NEWEST = 18


@dataclass(frozen=True)
class Answer:
    """Whether a prerequisite is met, and what was seen, in words."""

    done: Done
    saw: str = ""


@dataclass(frozen=True)
class Observed:
    """What is known of a server; None is what was not seen, or what an older look did not ask for."""

    provider: Provider
    side: Side
    host: str
    port: int
    major: int | None
    pooler: str | None
    encrypted: bool | None
    tls_version: str | None
    certificate_checked: str
    user: str
    member_of: tuple[str, ...] | None
    privileges: Mapping[str, bool]
    settings: Mapping[str, Any]

    @property
    def superuser(self) -> bool:
        """Tell whether the user is a superuser."""
        return self.privileges.get("superuser") is True


def observed_in(facts: Mapping[str, Any], *, provider: Provider, side: Side) -> Observed:
    """Read the facts of a look (``ServerFacts.as_dict()``), of this version of the portal or an older one."""
    privileges: Mapping[str, Any] = facts.get("privileges") or {}
    tls: Mapping[str, Any] = facts.get("tls") or {}
    groups = privileges.get("member_of")
    return Observed(
        provider=provider,
        side=side,
        host=facts.get("host", ""),
        port=facts.get("port", 0),
        major=facts.get("major"),
        pooler=facts.get("pooler"),
        encrypted=tls.get("in_use"),
        tls_version=tls.get("version"),
        certificate_checked=tls.get("certificate_checked", "no"),
        user=privileges.get("user", ""),
        member_of=None if groups is None else tuple(groups),
        privileges={name: value for name, value in privileges.items() if isinstance(value, bool)},
        settings=facts.get("settings") or {},
    )


def answer_to(prerequisite: Prerequisite, seen: Observed | None) -> Answer:
    """Return whether ``prerequisite`` is met; ``seen`` is None before a server was looked at."""
    look = LOOKS.get(prerequisite.look)
    if look is None or seen is None:
        return Answer(Done.CANNOT_BE_SEEN)
    return look(seen)


def _told(done: bool | None, saw: str) -> Answer:
    if done is None:
        return Answer(Done.CANNOT_BE_SEEN)
    return Answer(Done.DONE if done else Done.NOT_DONE, saw)


def _reached(seen: Observed) -> Answer:
    return Answer(Done.DONE, f"The portal logged in at {seen.host}:{seen.port}.")


def _version(seen: Observed) -> Answer:
    supported = None if seen.major is None else OLDEST[seen.side] <= seen.major <= NEWEST
    return _told(supported, f"It is PostgreSQL {seen.major}.")


def _encrypted(seen: Observed) -> Answer:
    if not seen.encrypted:
        return _told(seen.encrypted, "The session is not encrypted.")
    checked = "its certificate is not checked" if seen.certificate_checked == "no" else "its certificate is checked"
    return Answer(Done.DONE, f"{seen.tls_version or 'TLS'}; {checked}.")


def _direct(seen: Observed) -> Answer:
    kind = seen.provider.endpoint_kind(seen.host, seen.port)
    if kind and kind.problem:
        return Answer(Done.NOT_DONE, f"This is a {kind.name}.")
    if seen.pooler:
        return Answer(Done.NOT_DONE, f"A pooler answers ({seen.pooler} pooling).")
    return _told(None if seen.pooler is None else True, f"{kind.name.capitalize()}." if kind else "No pooler answers.")


def _primary(seen: Observed) -> Answer:
    standby = seen.settings.get("in_recovery")
    return _told(None if standby is None else not standby, "It is a standby." if standby else "It is the primary.")


def _reads_everything(seen: Observed) -> Answer:
    """A right to read all proves it; its absence proves nothing, the user may own or be granted everything."""
    if seen.superuser:
        return Answer(Done.DONE, f"{seen.user} is a superuser.")
    if seen.privileges.get("read_all_data") is True:
        return Answer(Done.DONE, f"{seen.user} may read all data.")
    return Answer(Done.CANNOT_BE_SEEN, f"{seen.user} has no right to all data; validation looks at each table.")


def _wal_level(seen: Observed) -> Answer:
    level = seen.settings.get("wal_level")
    return _told(None if level is None else level == "logical", f"wal_level is {level}.")


def _slots(seen: Observed) -> Answer:
    slots, used, senders = (
        seen.settings.get(name) for name in ("max_replication_slots", "used_replication_slots", "max_wal_senders")
    )
    if slots is None or used is None or senders is None:
        return Answer(Done.CANNOT_BE_SEEN)
    saw = f"{max(slots - used, 0)} of {slots} slots are free, max_wal_senders is {senders}."
    return _told(slots > used and senders >= slots, saw)


def _replication(seen: Observed) -> Answer:
    if seen.superuser:
        return Answer(Done.DONE, f"{seen.user} is a superuser.")
    attribute = seen.privileges.get("replication")
    roles = set(seen.provider.replication_roles) & set(seen.member_of or ())
    if attribute or roles:
        return Answer(Done.DONE, f"{seen.user} may replicate.")
    return _told(attribute, f"{seen.user} may not replicate.")


def _right(name: str, words: str) -> Callable[[Observed], Answer]:
    def look(seen: Observed) -> Answer:
        may = True if seen.superuser else seen.privileges.get(name)
        return _told(may, f"{seen.user} may {'' if may else 'not '}{words}.")

    return look


def _writable(seen: Observed) -> Answer:
    standby, read_only = seen.settings.get("in_recovery"), seen.settings.get("transaction_read_only")
    if standby is None or read_only is None:
        return Answer(Done.CANNOT_BE_SEEN)
    saw = "It is a standby." if standby else "It is read-only." if read_only else "It accepts writes."
    return _told(not (standby or read_only), saw)


def _administrator(seen: Observed) -> Answer:
    role = seen.provider.administrator_role
    member = None if seen.member_of is None else role in seen.member_of or seen.superuser
    return _told(member, f"{seen.user} is {'' if member else 'not '}a member of {role}.")


LOOKS: dict[Look, Callable[[Observed], Answer]] = {
    Look.REACHED: _reached,
    Look.VERSION: _version,
    Look.ENCRYPTED: _encrypted,
    Look.DIRECT: _direct,
    Look.PRIMARY: _primary,
    Look.READS_EVERYTHING: _reads_everything,
    Look.WAL_LEVEL: _wal_level,
    Look.SLOTS: _slots,
    Look.REPLICATION: _replication,
    Look.CREATES_DATABASES: _right("create_database", "create databases"),
    Look.CREATES_ROLES: _right("create_role", "create roles"),
    Look.WRITABLE: _writable,
    Look.ADMINISTRATOR: _administrator,
}
