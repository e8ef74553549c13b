"""SQL for the portal's own database, one statement per file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def query(name: str) -> str:
    """Return the statement in ``<name>.sql``, with its file's name in it."""
    text = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return f"/* {name}.sql */ {text}"
