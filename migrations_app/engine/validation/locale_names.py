"""Names of libc locales, and whether a server has them."""

from __future__ import annotations

from collections.abc import Iterable

from migrations_app.engine.postgres import Connection, Error, errors, sql
from migrations_app.engine.postgres.queries.reading import ReadFailed
from migrations_app.engine.validation.context import SeenServer

TRIVIAL = frozenset({"c", "posix", "default", "ucs_basic"})


def normalized(name: str) -> str:
    """Return a form in which ``en_US.UTF-8`` and ``en_US.utf8`` are the same."""
    return name.lower().replace("-", "").replace("_", "")


def always_exists(name: str) -> bool:
    """Tell whether every server has the locale, in the same order for ever."""
    return name.lower() in TRIVIAL or normalized(name) in ("c.utf8", "pgcutf8", "pgunicodefast")


def missing_locales(seen: SeenServer, names: Iterable[str]) -> dict[str, str]:
    """Return those of ``names`` that the server has not, with its own words.

    A name that pg_collation does not list is proved by creating a temporary collation in a transaction that is
    rolled back. Raises ``ReadFailed`` where that is not allowed.
    """
    known = {normalized(row.collate) for row in seen.collations if row.provider == "c" and row.collate}
    doubtful = [name for name in set(names) if name.lower() not in TRIVIAL and normalized(name) not in known]
    if not doubtful:
        return {}
    with seen.connected() as connection:
        answers = {name: _refusal(connection, name) for name in doubtful}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _refusal(connection: Connection, name: str) -> str | None:
    """Return why the server refuses the locale, None when it has it (be it for another encoding)."""
    create = sql.SQL("CREATE COLLATION pg_temp.pgmig_locale (LOCALE = {})").format(sql.Literal(name))
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(create)
    except errors.InvalidObjectDefinition:
        return None
    except (errors.InvalidParameterValue, errors.UndefinedFile, errors.UndefinedObject) as error:
        return str(error).strip()
    except Error as error:
        if connection.broken:
            raise
        raise ReadFailed(
            f"Whether the locale {name} exists cannot be tried out.",
            hint="Look on the server's machine with: locale -a",
            server_message=str(error).strip(),
        ) from error
    return None
