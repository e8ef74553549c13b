"""How a parameter is set on a server: as text and, where SQL does it, as a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from migrations_app.engine.postgres import sql
from migrations_app.engine.validation.context import SeenServer


class Fix(TypedDict):
    """The words and the script of a finding's fix."""

    fix: str
    fix_sql: str


def set_parameters(seen: SeenServer, settings: Mapping[str, str], *, restart: bool = False, then: str = "") -> Fix:
    """Return how to set ``settings`` on the server; ``then`` is added to the words."""
    named = " and ".join(f"{name} = {value or repr(value)}" for name, value in settings.items())
    after = ", then restart it" if restart else ""
    if seen.facts.provider != "OnPremises":
        text = f"In the server's parameters at {seen.provider.name} set {named}{after}. {then}"
        return Fix(fix=text.strip(), fix_sql="")
    lines = [_alter_system(name, value) for name, value in settings.items()]
    script = "\n".join(lines if restart else [*lines, "SELECT pg_reload_conf();"])
    return Fix(fix=f"Set {named} on {seen.name} by the script{after}. {then}".strip(), fix_sql=script)


def _alter_system(name: str, value: str) -> str:
    """Write a list of libraries as several literals: one literal would name one library "a,b"."""
    values = value.split(",") if name == "shared_preload_libraries" else [value]
    literals = sql.SQL(", ").join(sql.Literal(each) for each in values)
    return sql.SQL("ALTER SYSTEM SET {} = {};").format(sql.Identifier(name), literals).as_string()
