"""The SQL files of the verification: each reaches the server under its own name.

A line that ends with ``-- [14+]``, ``-- [<14]`` or ``-- [15-16]`` is sent only to servers of those major versions.
A literal ``%`` is written ``%%`` in a file that takes parameters.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from migrations_app.engine.postgres import sql

QUERIES = Path(__file__).with_name("queries")
VERSIONS = re.compile(r"-- \[(?:(?P<since>\d+)\+|<(?P<before>\d+)|(?P<first>\d+)-(?P<last>\d+))\]$")


@cache
def query(name: str, *, version: int = 0) -> sql.SQL:
    """Return ``queries/<name>.sql`` for a major version, headed by the file's name for whoever looks at the server."""
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if _is_for(line, version)]
    return sql.SQL("\n".join([f"/* verification/{name}.sql */", *lines]))


def _is_for(line: str, version: int) -> bool:
    found = VERSIONS.search(line)
    if found is None:
        return True
    if found["since"]:
        return version >= int(found["since"])
    if found["before"]:
        return version < int(found["before"])
    return int(found["first"]) <= version <= int(found["last"])
