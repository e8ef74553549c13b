"""How a parameter is set on a server: the words and the script of a finding's fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from migrations_app.engine.providers import how_to_set
from migrations_app.engine.providers.pooled import way_around_pooler
from migrations_app.engine.providers.provider import Remedy
from migrations_app.engine.validation.context import SeenServer


class Fix(TypedDict):
    """The words and the script of a finding's fix."""

    fix: str
    fix_sql: str


def fix_of(remedy: Remedy, *, then: str = "") -> Fix:
    """Return a provider's remedy as a finding holds it; ``then`` is added to the words.

    Commands for a provider's tool are no SQL: they stand in the words, on lines of their own.
    """
    words = f"{remedy.text} {then}".strip()
    if remedy.language == "sql":
        return Fix(fix=words, fix_sql=remedy.script)
    return Fix(fix=f"{words}\n{remedy.script}".strip(), fix_sql="")


def set_parameters(seen: SeenServer, settings: Mapping[str, str], *, restart: bool = False, then: str = "") -> Fix:
    """Return how to set ``settings`` on the server, where its provider keeps them."""
    return fix_of(how_to_set(seen.provider, settings, restart=restart, host=seen.facts.host), then=then)


def around_pooler(seen: SeenServer) -> str:
    """Return what to type instead of a pooler's address."""
    facts = seen.facts
    return way_around_pooler(seen.provider, facts.host, port=facts.port, server_port=facts.settings.server_port)
