"""Tell whether two definitions mean the same although their texts differ.

The same view, index or expression is printed differently by different major versions, and even by one version after
a dump and restore. So the target is asked to read both texts and to print them again: in a transaction that is rolled
back, as temporary objects.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from migrations_app.engine.postgres import Connection, Error, errors, qualified, sql
from migrations_app.engine.verification.catalog_objects import CatalogObject
from migrations_app.engine.verification.verdicts import server_words

logger = logging.getLogger(__name__)
VIEW = sql.Identifier("pg_temp", "pgmig view")
TABLE = sql.Identifier("pg_temp", "pgmig table")
DOMAIN = sql.Identifier("pg_temp", "pgmig domain")
FUNCTION = sql.Identifier("pg_temp", "pgmig function")
WHEN = re.compile(r" WHEN (\(.*\)) EXECUTE (?:FUNCTION|PROCEDURE) ", re.DOTALL)

Printer = Callable[[Connection, CatalogObject, str], str]


class CannotTell(Exception):
    """The target could not read one of the texts."""


def keep_event_triggers_quiet(target: Connection) -> None:
    """Keep the database's event triggers from seeing our temporary objects, where the user may say so."""
    try:
        target.execute("SET session_replication_role = replica")
    except errors.InsufficientPrivilege:
        logger.info("event triggers of the target see the temporary objects of the catalog comparison")


def mean_the_same(target: Connection, found: CatalogObject, name: str, *, texts: tuple[Any, Any]) -> bool:
    """Compare two texts of the property ``name`` of an object that exists on both sides.

    Raises ``CannotTell`` with the target's message. Nothing stays on the target.
    """
    printer = PRINTERS.get((found.object_class, name))
    if printer is None or not all(isinstance(text, str) for text in texts):
        return False
    one, other = (_printed(target, printer, found, text) for text in texts)
    return one == other


def _printed(target: Connection, printer: Printer, found: CatalogObject, text: str) -> str:
    try:
        with target.transaction(force_rollback=True):
            return printer(target, found, text)
    except Error as error:
        if target.closed:
            raise
        raise CannotTell(server_words(error)) from error


def _view(target: Connection, found: CatalogObject, text: str) -> str:
    target.execute(sql.SQL("CREATE TEMPORARY VIEW {} AS {}").format(VIEW, sql.SQL(text)))
    return _value(target, "SELECT pg_get_viewdef(to_regclass('pg_temp.\"pgmig view\"'))")


def _expression(target: Connection, found: CatalogObject, text: str) -> str:
    rows = sql.SQL("SELECT ({}) AS value FROM ONLY {}").format(sql.SQL(text), _relation(found))
    return _view(target, found, rows.as_string(target))


def _trigger(target: Connection, found: CatalogObject, text: str) -> str:
    """The condition of a trigger speaks of the rows OLD and NEW."""
    condition = WHEN.search(text)
    if condition is None:
        return text
    rows = sql.SQL("SELECT {} AS value FROM ONLY {relation} AS old, ONLY {relation} AS new").format(
        sql.SQL(condition[1]), relation=_relation(found)
    )
    return text[: condition.start()] + _view(target, found, rows.as_string(target)) + text[condition.end() :]


def _index(target: Connection, found: CatalogObject, text: str) -> str:
    head = str(found.properties["head"])
    if not text.startswith(head):
        return text
    _create_table_like(target, found)
    unique = "UNIQUE " if head.startswith("CREATE UNIQUE") else ""
    statement = sql.SQL("CREATE {}INDEX ON {}{}").format(sql.SQL(unique), TABLE, sql.SQL(text[len(head) :]))
    target.execute(statement)
    return _value(
        target,
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass('pg_temp.\"pgmig table\"')",
    )


def _rule(target: Connection, found: CatalogObject, text: str) -> str:
    relation = _relation(found).as_string(target)
    event = re.match(r"(CREATE RULE .*?\sON (?:INSERT|UPDATE|DELETE) TO )(.*)", text, re.DOTALL)
    quoted = next((q for q in (relation, _bare(found)) if event and event[2].startswith(q)), None)
    if event is None or quoted is None:
        return text
    _create_table_like(target, found)
    target.execute(sql.SQL("{}{}{}").format(sql.SQL(event[1]), TABLE, sql.SQL(event[2][len(quoted) :])))
    return _value(
        target,
        "SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = to_regclass('pg_temp.\"pgmig table\"')",
    )


def _domain(target: Connection, found: CatalogObject, text: str) -> str:
    base = sql.SQL(str(found.properties["base type"]))
    target.execute(sql.SQL("CREATE DOMAIN {} AS {} {}").format(DOMAIN, base, sql.SQL(text.removesuffix(" NOT VALID"))))
    return _value(
        target,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'c' AND contypid = to_regtype('pg_temp.\"pgmig domain\"')",
    )


def _domain_default(target: Connection, found: CatalogObject, text: str) -> str:
    base = sql.SQL(str(found.properties["type"]))
    target.execute(sql.SQL("CREATE DOMAIN {} AS {} DEFAULT {}").format(DOMAIN, base, sql.SQL(text)))
    return _value(
        target, "SELECT pg_get_expr(typdefaultbin, 0) FROM pg_type WHERE oid = to_regtype('pg_temp.\"pgmig domain\"')"
    )


def _function_body(target: Connection, found: CatalogObject, text: str) -> str:
    arguments, result = found.properties["arguments"], found.properties["result"]
    kind = "PROCEDURE" if result is None else "FUNCTION"
    returns = "" if result is None else f" RETURNS {result}"
    target.execute(
        sql.SQL("CREATE {} {}({}){} LANGUAGE sql {}").format(
            sql.SQL(kind), FUNCTION, sql.SQL(str(arguments)), sql.SQL(returns), sql.SQL(text)
        )
    )
    return _of_function(target, "pg_get_function_sqlbody")


def _function_arguments(target: Connection, found: CatalogObject, text: str) -> str:
    target.execute(
        sql.SQL("CREATE FUNCTION {}({}) RETURNS {} LANGUAGE sql AS ''").format(
            FUNCTION, sql.SQL(text), sql.SQL(str(found.properties["result"] or "void"))
        )
    )
    return _of_function(target, "pg_get_function_arguments")


def _procedure_arguments(target: Connection, found: CatalogObject, text: str) -> str:
    target.execute(sql.SQL("CREATE PROCEDURE {}({}) LANGUAGE plpgsql AS 'BEGIN END'").format(FUNCTION, sql.SQL(text)))
    return _of_function(target, "pg_get_function_arguments")


def _of_function(target: Connection, printer: str) -> str:
    row = target.execute(
        sql.SQL(
            "SELECT {}(oid) FROM pg_proc WHERE proname = 'pgmig function' AND pronamespace = pg_my_temp_schema()"
        ).format(sql.Identifier(printer))
    ).fetchone()
    return "" if row is None else str(row[0])


def _create_table_like(target: Connection, found: CatalogObject) -> None:
    target.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {})").format(TABLE, _relation(found)))


def _relation(found: CatalogObject) -> sql.Composed:
    return qualified(found.schema or "", found.relation or "")


def _bare(found: CatalogObject) -> str:
    """The relation as PostgreSQL prints it where no quotes are needed."""
    return f"{found.schema}.{found.relation}"


def _value(target: Connection, statement: str) -> str:
    row = target.execute(sql.SQL(statement)).fetchone()
    return "" if row is None else str(row[0])


PRINTERS: dict[tuple[str, str], Printer] = {
    ("view", "definition"): _view,
    ("materialized view", "definition"): _view,
    ("column", "default"): _expression,
    ("constraint", "condition"): _expression,
    ("policy", "using"): _expression,
    ("policy", "check"): _expression,
    ("trigger", "definition"): _trigger,
    ("index", "definition"): _index,
    ("rule", "definition"): _rule,
    ("domain", "default"): _domain_default,
    ("domain constraint", "domain condition"): _domain,
    ("function", "SQL body"): _function_body,
    ("procedure", "SQL body"): _function_body,
    ("function", "arguments"): _function_arguments,
    ("procedure", "arguments"): _procedure_arguments,
}
