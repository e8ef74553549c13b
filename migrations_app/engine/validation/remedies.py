"""Put a provider's remedy into a finding: SQL as a script to run, commands of its tools as text."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.providers.parameters import how_to_set
from migrations_app.engine.providers.provider import Remedy
from migrations_app.engine.validation.context import SeenServer


@dataclass(frozen=True)
class Fix:
    """A finding's ``fix`` and ``fix_sql``."""

    text: str
    sql: str


def fix_of(remedy: Remedy, *, then: str = "") -> Fix:
    """Return a remedy as a finding holds it, with a sentence after it."""
    text = f"{remedy.text} {then}".strip()
    if remedy.language == "sql":
        return Fix(text, remedy.script)
    return Fix(f"{text}\n{remedy.script}".strip(), "")


def set_on(seen: SeenServer, *, restart: bool, then: str = "", **settings: str) -> Fix:
    """Return how to set parameters of this server, where its provider keeps them."""
    return fix_of(how_to_set(seen.provider, settings, restart=restart, host=seen.facts.host), then=then)
