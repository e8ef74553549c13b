"""The SQL the engine sends: one query per file, the lowest server version it needs in the file's name.

``<name>.sql`` works on every supported server; ``<name>_post_140000.sql`` replaces it on 14.0 and newer.
The first line of a file is a comment that says in one sentence what the query returns. A literal ``%`` is
written ``%%``: queries are always executed with parameters (an empty mapping if there are none).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from psycopg import sql

FOLDER = Path(__file__).parent
FILE_NAME = re.compile(r"^(?P<name>[a-z][a-z0-9_]*?)(?:_post_(?P<version>\d{6}))?\.sql$")


def get(name: str, *, server_version: int) -> sql.SQL:
    """Return the query ``name`` for a server of ``server_version`` (such as 140012, as libpq counts).

    The text begins with a comment that names its file, so that it can be found from a server's log.
    Raises ``LookupError`` when there is none for so old a server.
    """
    best = max((version for version in _versions(name) if version <= server_version), default=None)
    if best is None:
        raise LookupError(f"there is no query {name} for server version {server_version}")
    return _read(name, best)


def names() -> frozenset[str]:
    """Return the names of all queries."""
    return frozenset(_catalog())


@cache
def _catalog() -> dict[str, dict[int, Path]]:
    catalog: dict[str, dict[int, Path]] = {}
    for path in FOLDER.glob("*.sql"):
        match = FILE_NAME.match(path.name)
        if not match:
            raise LookupError(f"the file name {path.name} is not <name>.sql or <name>_post_<version>.sql")
        catalog.setdefault(match["name"], {})[int(match["version"] or 0)] = path
    return catalog


def _versions(name: str) -> dict[int, Path]:
    try:
        return _catalog()[name]
    except KeyError:
        raise LookupError(f"there is no query {name}") from None


@cache
def _read(name: str, version: int) -> sql.SQL:
    path = _catalog()[name][version]
    return sql.SQL(f"-- {path.name}\n{path.read_text(encoding='utf-8')}")
