"""What a connection test saw, in the few words of a strip, and what is worth a warning."""

from __future__ import annotations

import re
from typing import Any

from migrations_app.engine.providers import provider_by_key
from migrations_app.engine.providers.comparison import difference_in_words, differs, is_harmless
from migrations_app.engine.providers.pooled import way_around_pooler
from migrations_app.engine.spec import Side
from portal.templatetags.portal_format import bytes_in_words

OLDEST_SOURCE, OLDEST_TARGET = 10, 11
RIGHTS = (("create_database", "create databases"), ("create_role", "create roles"), ("replication", "replicate"))
CHECKS = {"authority": "certificate verified", "authority and host name": "certificate and host name verified"}


def fact_strip(facts: dict[str, Any]) -> list[str]:
    """Return the facts of a server, the most telling first: ``PostgreSQL 15.4``, provider, TLS, latency, rights."""
    if not facts:
        return []
    strip = [
        f"PostgreSQL {version_of(facts)}",
        facts["provider_name"],
        _tls(facts["tls"]),
        f"{facts['latency_ms']:.1f} ms",
        _rights(facts["privileges"]),
    ]
    if facts.get("data_bytes"):
        strip.append(f"{bytes_in_words(facts['data_bytes'])} of data")
    if facts.get("free_bytes"):
        strip.append(f"{bytes_in_words(facts['free_bytes'])} free")
    return strip


def version_of(facts: dict[str, Any]) -> str:
    """Return ``15.4`` from what the server calls itself."""
    found = re.search(r"(\d+(\.\d+)*)", facts["settings"]["version_text"])
    return found.group(1) if found else str(facts["major"])


def _tls(tls: dict[str, Any]) -> str:
    if not tls["in_use"]:
        return "not encrypted"
    version = (tls["version"] or "TLS").replace("TLSv", "TLS ")
    return f"{version}, {CHECKS.get(tls['certificate_checked'], 'certificate not checked')}"


def _rights(privileges: dict[str, Any]) -> str:
    user = f"user “{privileges['user']}”"
    if privileges["superuser"]:
        return f"{user}: superuser"
    may = [words for key, words in RIGHTS if privileges[key]]
    return f"{user}: no superuser, may {_list(may)}" if may else f"{user}: no superuser"


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def warnings_of(facts: dict[str, Any], *, side: Side, chosen_type: str = "") -> list[str]:
    """Return what about a server that answered would hurt later, each with what to do.

    ``chosen_type`` is the source type that somebody chose, to be compared with what the server looks like.
    """
    if not facts:
        return []
    found = []
    if chosen_type:
        found += _another_kind(facts, chosen_type=chosen_type)
    oldest = OLDEST_SOURCE if side is Side.SOURCE else OLDEST_TARGET
    if facts["major"] < oldest:
        found.append(f"PostgreSQL {facts['major']} is too old: a {side.value} needs at least {oldest}.")
    if facts["pooler"]:
        found.append(f"A connection pooler answers here, not PostgreSQL itself. {_way_around_pooler(facts)}")
    if side is Side.TARGET and (facts["settings"]["in_recovery"] or facts["settings"]["transaction_read_only"]):
        found.append("This server is read-only (a replica, or its disk is full). Use the primary's address.")
    if not facts["tls"]["in_use"] and not is_local(facts["host"]):
        found.append("The session is not encrypted: data would cross the network in clear. TLS mode require encrypts.")
    return found


def _way_around_pooler(facts: dict[str, Any]) -> str:
    provider, server_port = provider_by_key(facts["provider"]), facts["settings"]["server_port"]
    return way_around_pooler(provider, facts["host"], port=facts["port"], server_port=server_port)


def _another_kind(facts: dict[str, Any], *, chosen_type: str) -> list[str]:
    chosen, detected = provider_by_key(chosen_type), provider_by_key(facts["provider"])
    if is_harmless(chosen) or not differs(chosen, detected):
        return []
    return [f"{difference_in_words(chosen, detected)} Check the address, or change the source type."]


def is_local(host: str) -> bool:
    """Tell whether a session to ``host`` stays on this machine."""
    return host.startswith("127.") or host in ("localhost", "::1")
