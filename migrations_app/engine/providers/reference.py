"""Write the reference of all providers: ``python -m migrations_app.engine.providers.reference > docs/providers.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from migrations_app.engine.providers import PROVIDERS, SELF_HOSTED, Provider
from migrations_app.engine.providers.amazon import AMAZON_RDS
from migrations_app.engine.providers.prerequisites import prerequisites_of
from migrations_app.engine.providers.provider import Prerequisite
from migrations_app.engine.spec import Side

INTRODUCTION = """\
# Providers

What the portal knows of each kind of server: how it is recognized, what on it is the service's own and never copied,
where parameters are set, which certificates it shows, and what it needs before a migration. The wizard shows the same
for the kind that was chosen, and after *Test connection* what of it is done.

A server is recognized by its traces (settings, roles, databases, functions); its host name is a hint. Where that
differs from what was chosen, the validation says so (PM1090) and goes by the traces.

This page is generated: `python -m migrations_app.engine.providers.reference > docs/providers.md`.
"""
LANGUAGES = {"sql": "sql", "shell": "sh", "text": "text"}


def reference() -> str:
    """Return the page as Markdown."""
    pages = (line for each in PROVIDERS for line in _provider(each))
    return "\n".join([INTRODUCTION, *_overview(), *_every_server(), *pages])


def _overview() -> Iterator[str]:
    yield "| Provider | Source type | Online |"
    yield "|---|---|---|"
    for provider in PROVIDERS:
        yield f"| {provider.name} | `{provider.chosen_as or provider.key}` | {provider.online} |"
    yield ""


def _every_server() -> Iterator[str]:
    """What is the same everywhere: what two providers of different kinds have in common."""
    yield "## Every server\n"
    for title, side in (("Source", Side.SOURCE), ("Target", Side.TARGET)):
        common = _common(side)
        yield from _needs(f"{title}", [each for each in common if not each.online_only])
        yield from _needs(f"{title}, online as well", [each for each in common if each.online_only])


def _common(side: Side) -> list[Prerequisite]:
    elsewhere = prerequisites_of(AMAZON_RDS, side=side, online=True)
    return [each for each in prerequisites_of(SELF_HOSTED, side=side, online=True) if each in elsewhere]


def _provider(provider: Provider) -> Iterator[str]:
    yield f"## {provider.name}\n"
    if provider.administrator:
        yield f"{provider.administrator}\n"
    yield from (f"- {limit}" for limit in provider.limits)
    if provider.limits:
        yield ""
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {text} |" for name, text in _facts(provider) if text)
    yield ""
    yield from _kinds(provider)
    source = _peculiar(provider, Side.SOURCE)
    yield from _needs("Source", [each for each in source if not each.online_only])
    yield from _needs("Source, online as well", [each for each in source if each.online_only])
    if not provider.can_online:
        yield f"**Source, online.** Not possible. {provider.why_offline_only}\n"
    if provider.target_prerequisites:
        yield from _needs("Target", provider.target_prerequisites)


def _peculiar(provider: Provider, side: Side) -> list[Prerequisite]:
    """Return what is not the same for every server, nor for every server that people run themselves."""
    relatives = _common(side)
    if provider.self_hosted and provider is not SELF_HOSTED:
        relatives = [*prerequisites_of(SELF_HOSTED, side=side, online=True)]
    return [each for each in prerequisites_of(provider, side=side, online=True) if each not in relatives]


def _facts(provider: Provider) -> Iterator[tuple[str, str]]:
    traces = [*provider.settings, *provider.marker_roles, *provider.databases]
    traces += ["aurora_version()"] if provider.has_aurora_version else []
    traces += [provider.version_word] if provider.version_word else []
    yield "Recognized by", _code(traces)
    yield "Its own databases", _code(provider.databases)
    yield "Its own roles", _code(_pattern_words(provider))
    yield "Its own schemas", _code(provider.schemas)
    yield "Its own extensions", _code(provider.extensions)
    yield "Its own event triggers", _code(provider.event_triggers)
    yield "Event triggers of these owners stay", _code(provider.event_trigger_owners)
    place = provider.parameters
    yield "Parameters are set", place.refusal or place.where
    yield "Other names", _code(f"{own.name} = {own.value}: {own.own_name} = {own.own_value}" for own in place.own)
    yield "TLS", provider.tls.rule
    yield "Certificate authority", provider.tls.authority
    yield "verify-full", "possible" if provider.tls.verify_full else "not by address: use verify-ca"


def _pattern_words(provider: Provider) -> list[str]:
    roles = list(provider.marker_roles)
    return [*roles, provider.role_pattern] if provider.owns_some_roles else roles


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name.replace('|', chr(92) + '|')}`" for name in names)


def _kinds(provider: Provider) -> Iterator[str]:
    if not provider.endpoints:
        return
    yield "| Host name | Kind | For a migration |"
    yield "|---|---|---|"
    for kind in provider.endpoints:
        yield f"| {_code([kind.pattern])} | {kind.name} | {kind.problem or 'yes'} |"
    yield ""


def _needs(title: str, prerequisites: Iterable[Prerequisite]) -> Iterator[str]:
    prerequisites = list(prerequisites)
    if prerequisites:
        yield f"**{title}.**\n"
    for number, each in enumerate(prerequisites, 1):
        restart = " Needs a restart." if each.needs_restart else ""
        yield f"{number}. *{each.title}.* {each.text}{restart}\n"
        if each.commands:
            yield _block(each)


def _block(prerequisite: Prerequisite) -> str:
    lines = [f"```{LANGUAGES[prerequisite.language]}", *prerequisite.commands.split("\n"), "```"]
    return "\n".join(f"   {line}" if line else "" for line in lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
