"""Rules about objects of special kinds: what is not copied, and what only a superuser can create."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse
from migrations_app.engine.validation.code import Code, code
from migrations_app.engine.validation.context import DatabaseContext
from migrations_app.engine.validation.rule import database_rule
from migrations_app.engine.validation.wording import counted, listed, statement

PUBLICATION = code(
    "PM2030",
    Level.INFO,
    "Publications",
    why="A publication's definition can be copied, but its subscribers go on following the source.",
    side=FindingSide.TARGET,
)
SUBSCRIPTION = code(
    "PM2031",
    Level.WARNING,
    "Subscriptions are not copied",
    why="Two servers with the same subscription would fight for one replication slot; the target would also miss what "
    "arrives on the source after the copy.",
    side=FindingSide.SOURCE,
)
EVENT_TRIGGER = code(
    "PM2032",
    Level.WARNING,
    "Event triggers that the target user may not create",
    why="Only a superuser creates event triggers, unless the service allows it.",
    side=FindingSide.TARGET,
)
SECURITY_LABEL = code(
    "PM2033",
    Level.WARNING,
    "Security labels",
    why="A label can only be set where the library of its provider is loaded.",
    side=FindingSide.TARGET,
)
FOREIGN_SERVER = code(
    "PM2034",
    Level.WARNING,
    "Foreign servers",
    why="The target must reach the same foreign servers, and passwords in user mappings are only readable by "
    "superusers and the mapping's own user.",
    side=FindingSide.TARGET,
)
SUPERUSER_ONLY = code(
    "PM2035",
    Level.WARNING,
    "Objects that only a superuser may create on the target",
    why="They, and what depends on them, cannot be restored by the target user; each refusal is reported by name.",
    side=FindingSide.NONE,
)
UNTRUSTED_LANGUAGE = code(
    "603413",
    Level.WARNING,
    "Functions in a language that the target may not offer",
    why="Untrusted languages and C need a superuser, and C functions need the same library on the target's machine.",
    side=FindingSide.TARGET,
)
OLD_OPERATOR = code(
    "PM2036",
    Level.FAILED,
    "Objects that PostgreSQL 14 no longer knows",
    why="PostgreSQL 14 removed postfix operators and changed the types of array functions that aggregates use.",
    side=FindingSide.SOURCE,
)
LOGIN_TRIGGER = code(
    "PM2060",
    Level.WARNING,
    "Login triggers run for the sessions of the migration",
    why="A migration opens dozens of sessions on the source. A trigger that writes a row for each login changes the "
    "source while it is copied, and the verification may find these rows; one that refuses a login ends the migration.",
    side=FindingSide.SOURCE,
)


@dataclass(frozen=True)
class SpecialRow:
    """A row of queries/validation_special_objects.sql."""

    kind: str
    name: str
    detail: str


@database_rule(
    PUBLICATION,
    SUBSCRIPTION,
    EVENT_TRIGGER,
    SECURITY_LABEL,
    FOREIGN_SERVER,
    SUPERUSER_ONLY,
    UNTRUSTED_LANGUAGE,
    OLD_OPERATOR,
    LOGIN_TRIGGER,
)
def special_objects(context: DatabaseContext) -> Iterator[Finding]:
    """Tells which publications, subscriptions, event triggers, security labels, foreign servers, C functions and
    other special objects will not or cannot be copied.
    """
    by_kind: dict[str, list[SpecialRow]] = defaultdict(list)
    own_schemas = list(context.source.provider.schemas)
    for row in context.rows("validation_special_objects", SpecialRow, own_schemas=own_schemas):
        by_kind[row.kind].append(row)
    yield from _replication(by_kind["publication"], _subscriptions(context))
    yield from _foreign_servers(by_kind["foreign server"], by_kind["user mapping"])
    yield from _labels(by_kind["security label"])
    yield from _functions(context, by_kind["function"])
    yield from _login_triggers(context, by_kind["login trigger"])
    if not context.target.superuser:
        own = context.source.provider.owns_event_trigger
        yield from _event_triggers([row for row in by_kind["event trigger"] if not own(row.name, owner=row.detail)])
        yield from _superuser_only(by_kind["superuser only"])
    if context.source.facts.major < 14 <= context.target.facts.major:
        yield from _old_operators(by_kind["postfix operator"], by_kind["array aggregate"])


@dataclass(frozen=True)
class _Sees:
    """The row of queries/validation_sees_subscriptions.sql."""

    all_columns: bool


@dataclass(frozen=True)
class _Subscription:
    """A row of queries/validation_subscriptions.sql."""

    name: str


def _subscriptions(context: DatabaseContext) -> list[SpecialRow]:
    """Where a provider hides the catalog, a subscription is known by the tables that it receives."""
    sees = context.row("validation_sees_subscriptions", _Sees).all_columns
    query = "validation_subscriptions" if sees else "validation_subscriptions_seen"
    return [SpecialRow("subscription", row.name, "") for row in context.rows(query, _Subscription)]


def _one(
    code_: Code,
    rows: list[SpecialRow],
    noun: str,
    *,
    saw: str,
    fix: str,
    fix_sql: str = "",
    script_use: ScriptUse = ScriptUse.NOW,
) -> Iterator[Finding]:
    if rows:
        yield code_.found(counted(len(rows), noun), saw=saw, fix=fix, fix_sql=fix_sql, script_use=script_use)


def _replication(publications: list[SpecialRow], subscriptions: list[SpecialRow]) -> Iterator[Finding]:
    yield from _one(
        PUBLICATION,
        publications,
        "publication",
        saw=f"The source has {listed(row.name for row in publications)}.",
        fix="After the migration point each subscriber to the target, with a new subscription.",
    )
    yield from _one(
        SUBSCRIPTION,
        subscriptions,
        "subscription",
        saw=f"The source has {listed(row.name for row in subscriptions)}.",
        fix="Disable them on the source before the migration, by the script; create them on the target afterwards.",
        fix_sql="\n".join(statement("ALTER SUBSCRIPTION {} DISABLE;", row.name) for row in subscriptions),
    )


def _foreign_servers(servers: list[SpecialRow], mappings: list[SpecialRow]) -> Iterator[Finding]:
    hidden = [row for row in mappings if row.detail == "hidden"]
    yield from _one(
        FOREIGN_SERVER,
        servers,
        "foreign server",
        saw=f"The source has {listed(f'{row.name} ({row.detail})' for row in servers)}"
        + (f"; the options of {counted(len(hidden), 'user mapping')} cannot be read." if hidden else "."),
        fix="Make sure that the target reaches these servers and may use their foreign-data wrapper; set the options "
        "of user mappings again on the target.",
        fix_sql="\n".join(f"ALTER USER MAPPING FOR {row.name} OPTIONS (SET password '…');" for row in hidden),
    )


def _labels(labels: list[SpecialRow]) -> Iterator[Finding]:
    yield from _one(
        SECURITY_LABEL,
        labels,
        "provider of labels",
        saw="The source has security labels: " + listed(f"{row.detail} of {row.name}" for row in labels) + ".",
        fix="Load the same label providers on the target (shared_preload_libraries), or go on without the labels.",
    )


def _functions(context: DatabaseContext, functions: list[SpecialRow]) -> Iterator[Finding]:
    by_language: dict[str, list[str]] = defaultdict(list)
    for row in functions:
        by_language[row.detail].append(row.name)
    for language, names in sorted(by_language.items()):
        yield UNTRUSTED_LANGUAGE.found(
            f"{counted(len(names), 'function')} in {language}",
            saw=f"These are {listed(names)}.",
            fix="Install the libraries on the target's machine and log in there as a superuser; a managed service does "
            "not allow it: rewrite them in PL/pgSQL or SQL, or drop them on the source.",
            level=Level.INFO if context.target.superuser and language != "c" else Level.WARNING,
        )


def _event_triggers(triggers: list[SpecialRow]) -> Iterator[Finding]:
    yield from _one(
        EVENT_TRIGGER,
        triggers,
        "event trigger",
        saw=f"The source has {listed(row.name for row in triggers)}; the target user is no superuser.",
        fix="Log in to the target as a superuser, or create them there by hand after the migration.",
    )


def _login_triggers(context: DatabaseContext, triggers: list[SpecialRow]) -> Iterator[Finding]:
    if triggers and not context.source.server.avoids_login_triggers(context.database.source_name):
        yield from _one(
            LOGIN_TRIGGER,
            triggers,
            "login trigger",
            saw=f"{context.database.source_name} has {listed(row.name for row in triggers)}; the source user "
            f"{context.source.user} may not switch off event triggers for its sessions.",
            fix="Disable them on the source while the migration runs, by the script, or let a superuser there run "
            + statement("GRANT SET ON PARAMETER event_triggers TO {};", context.source.user),
            fix_sql="\n".join(statement("ALTER EVENT TRIGGER {} DISABLE;", row.name) for row in triggers),
        )


def _superuser_only(rows: list[SpecialRow]) -> Iterator[Finding]:
    by_detail: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_detail[row.detail].append(row.name)
    for detail, names in sorted(by_detail.items()):
        yield SUPERUSER_ONLY.found(
            counted(len(names), detail, _plural(detail)),
            saw=f"These are {listed(names)}.",
            fix="Log in to the target as a superuser, or drop them on the source if nothing needs them.",
        )


def _plural(noun: str) -> str:
    return {"operator class": "operator classes", "operator family": "operator families"}.get(noun, f"{noun}s")


def _old_operators(operators: list[SpecialRow], aggregates: list[SpecialRow]) -> Iterator[Finding]:
    yield from _one(
        OLD_OPERATOR,
        operators,
        "postfix operator",
        saw=f"The source has {listed(row.name for row in operators)}.",
        fix="Drop them on the source and use a function instead.",
        fix_sql="\n".join(f"DROP OPERATOR {row.name};" for row in operators),
        script_use=ScriptUse.CHOICE,
    )
    yield from _one(
        OLD_OPERATOR,
        aggregates,
        "aggregate",
        saw=f"{listed(row.name for row in aggregates)} use array functions whose argument types changed.",
        fix="Drop them on the source; create them again on the target with anycompatiblearray and anycompatible.",
        fix_sql="\n".join(f"DROP AGGREGATE {row.name};" for row in aggregates),
        script_use=ScriptUse.CHOICE,
    )
