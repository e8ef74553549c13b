"""Rules about who answers: the kind of server that was chosen, one server and not several, one that can do online."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level
from migrations_app.engine.postgres.queries.reading import fetch_one
from migrations_app.engine.providers import provider_by_key
from migrations_app.engine.providers.comparison import difference_in_words, differs, is_harmless
from migrations_app.engine.spec import MigrationMode, Side
from migrations_app.engine.validation.code import code
from migrations_app.engine.validation.context import SeenServer, ServerContext
from migrations_app.engine.validation.rule import server_rule
from migrations_app.engine.validation.standby import is_standby_or_reader
from migrations_app.engine.validation.wording import counted

CONNECTIONS = 4

ANOTHER_KIND = code(
    "PM1090",
    Level.WARNING,
    "Source is of another kind than was chosen",
    why="Remedies are worded for the kind of server; another kind may also mean another server than was meant.",
    side=FindingSide.SOURCE,
)
SEVERAL_SERVERS = code(
    "PM1091",
    Level.FAILED,
    "Address leads to several servers, or to a reader",
    why="Every session of a migration must reach the same server: a snapshot, a slot and what was just written exist "
    "on that one only.",
    side=FindingSide.BOTH,
)


@dataclass(frozen=True)
class AnsweringRow:
    """A row of queries/server_answering.sql."""

    started_at: str
    address: str


@server_rule(ANOTHER_KIND)
def kind_of_source(context: ServerContext) -> Iterator[Finding]:
    """The source is the kind of server that was chosen, as far as its traces tell."""
    chosen, detected = provider_by_key(context.spec.source_type), context.source.provider
    if not differs(chosen, detected):
        return
    evidence = ", ".join(context.source.facts.provider_evidence)
    yield ANOTHER_KIND.found(
        f"Source {context.source.facts.label}",
        saw=difference_in_words(chosen, detected) + (f" Seen: {evidence}." if evidence else ""),
        fix="Check that the address is the server you mean. If it is, nothing needs to be done: remedies are given for "
        f"{detected.name}. To have it right in the history, change the source type under Setup.",
        level=Level.INFO if is_harmless(chosen) else Level.WARNING,
    )


@server_rule(SEVERAL_SERVERS)
def one_server_answers(context: ServerContext) -> Iterator[Finding]:
    """Each address leads to one server, and not to a reader: no balanced endpoint by its name, and none by trying."""
    online = context.spec.mode is MigrationMode.ONLINE
    for seen in (context.source, context.target):
        if not (seen.facts.pooler or _is_told_as_a_standby(seen, online=online)):
            yield from _by_trying(seen) or _by_name(seen, online=online)


def _is_told_as_a_standby(seen: SeenServer, *, online: bool) -> bool:
    """Tell whether another rule refuses this address already, as that of a standby or reader: one cause, one finding.

    These are PM1006 about the target, and PM3074 about the source of an online migration.
    """
    if seen.server.endpoint.side is Side.TARGET:
        return seen.facts.settings.in_recovery
    return online and is_standby_or_reader(seen)


def _by_trying(seen: SeenServer) -> list[Finding]:
    """Open a few sessions at once and ask each who it is."""
    with ExitStack() as stack:
        wanted = min(CONNECTIONS, max(seen.facts.free_connections - 1, 1))
        connections = [stack.enter_context(seen.connected()) for _ in range(wanted)]
        answers = [fetch_one(connection, "server_answering", AnsweringRow) for connection in connections]
    servers = {row.started_at: row.address for row in answers}
    if len(servers) == 1:
        return []
    addresses = ", ".join(f"{address} (started {started[:19]})" for started, address in sorted(servers.items()))
    return [
        SEVERAL_SERVERS.found(
            _subject(seen),
            saw=f"{counted(len(answers), 'session')} reached {len(servers)} servers: {addresses}.",
            fix="Use the address of one server, the primary, instead of that of a load balancer or reader endpoint.",
            side=seen.side,
        )
    ]


def _by_name(seen: SeenServer, *, online: bool) -> list[Finding]:
    """A reader or balanced name with one server behind it works until a second one joins: too risky online."""
    kind = seen.provider.endpoint_kind(seen.server.endpoint.host, seen.server.endpoint.port)
    if kind is None or kind.is_pooled or not (kind.is_balanced or kind.reads_only):
        return []
    level = Level.FAILED if online else Level.WARNING
    saw = f"This is a {kind.name}."
    return [SEVERAL_SERVERS.found(_subject(seen), saw=saw, fix=kind.problem, level=level, side=seen.side)]


def _subject(seen: SeenServer) -> str:
    return f"{seen.server.endpoint.side.capitalize()} {seen.facts.label}"
