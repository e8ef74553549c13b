"""Recognize the provider of a server from the traces it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.postgres import Connection
from migrations_app.engine.postgres.queries.reading import fetch_one
from migrations_app.engine.providers import PROVIDERS, SELF_HOSTED, Provider


@dataclass(frozen=True)
class Traces:
    """What was seen on a server; each field holds only names that some provider claims."""

    version_text: str
    has_aurora_version: bool
    settings: list[str]
    roles: list[str]
    databases: list[str]
    allowed_extensions: str | None


@dataclass(frozen=True)
class Recognized:
    """The provider and the evidence in words; ``allowed_extensions`` is Azure's allow-list, None elsewhere."""

    provider: Provider
    evidence: tuple[str, ...]
    allowed_extensions: tuple[str, ...] | None = None


def recognize(connection: Connection, *, host: str) -> Recognized:
    """Return the provider of the server behind ``connection``."""
    traces = fetch_one(
        connection,
        "server_fingerprint",
        Traces,
        settings=sorted({name for provider in PROVIDERS for name in provider.settings}),
        roles=sorted({name for provider in PROVIDERS for name in provider.marker_roles}),
        databases=sorted({name for provider in PROVIDERS for name in provider.databases}),
    )
    return judge(traces, host=host)


def judge(traces: Traces, *, host: str) -> Recognized:
    """Choose the provider with the most independent kinds of evidence.

    Any user can set a setting of any prefix in a session, so a setting alone proves nothing: a role, a database or a
    function of the provider must be there too. A host name alone is believed only when it is the provider's own domain.
    """
    candidates = [(provider, _evidence(provider, traces, host=host)) for provider in PROVIDERS]
    provider, evidence = max(candidates, key=lambda candidate: _weight(candidate[0], candidate[1]))
    if not _weight(provider, evidence):
        return Recognized(SELF_HOSTED, ())
    return Recognized(provider, tuple(evidence.values()), _allow_list(traces.allowed_extensions))


def _evidence(provider: Provider, traces: Traces, *, host: str) -> dict[str, str]:
    seen = {
        "setting": [name for name in provider.settings if name in traces.settings],
        "role": [name for name in provider.marker_roles if name in traces.roles],
        "database": [name for name in provider.databases if name in traces.databases],
        "function": ["aurora_version()"] if provider.has_aurora_version and traces.has_aurora_version else [],
        "version": [provider.version_word]
        if provider.version_word and provider.version_word in traces.version_text
        else [],
        "host": [host] if provider.recognizes_host(host) else [],
    }
    return {kind: f"{kind} {', '.join(names)}" for kind, names in seen.items() if names}


def _weight(provider: Provider, evidence: dict[str, str]) -> int:
    """Count the kinds of evidence; a setting by itself counts nothing, nor does a single role where more would be.

    A server with RDS's traces and without Aurora's function is not Aurora, whatever its host name: a Multi-AZ DB
    cluster has the same names. A provider that only its host name tells apart needs that and a trace.
    """
    traces = set(evidence) - {"host"}
    if provider.has_aurora_version and traces and "function" not in traces:
        return 0
    if provider.told_by_host and not (traces and "host" in evidence):
        return 0
    if set(evidence) <= {"setting"}:
        return 0
    if set(evidence) == {"role"} and "," not in evidence["role"] and (provider.settings or provider.databases):
        return 0
    return len(evidence)


def _allow_list(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(sorted(name.strip().lower() for name in text.split(",") if name.strip()))
