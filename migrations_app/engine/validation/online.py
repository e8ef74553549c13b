"""Rules that concern online migrations alone: registered like any other, silent for the mode Offline."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps

from migrations_app.engine.findings import Finding
from migrations_app.engine.spec import MigrationMode
from migrations_app.engine.validation.code import Code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext
from migrations_app.engine.validation.rule import DatabaseCheck, ServerCheck, database_rule, server_rule


def online_server_rule(*codes: Code) -> Callable[[ServerCheck], ServerCheck]:
    """Register a rule about the two servers that runs when the migration's mode is Online."""

    def register(check: ServerCheck) -> ServerCheck:
        @wraps(check)
        def when_online(context: ServerContext) -> Iterable[Finding]:
            return check(context) if context.spec.mode is MigrationMode.ONLINE else ()

        when_online.__doc__ = _marked(check.__doc__)
        return server_rule(*codes)(when_online)

    return register


def online_database_rule(*codes: Code) -> Callable[[DatabaseCheck], DatabaseCheck]:
    """Register a rule about one source database that runs when the migration's mode is Online."""

    def register(check: DatabaseCheck) -> DatabaseCheck:
        @wraps(check)
        def when_online(context: DatabaseContext) -> Iterable[Finding]:
            return check(context) if context.servers.spec.mode is MigrationMode.ONLINE else ()

        when_online.__doc__ = _marked(check.__doc__)
        return database_rule(*codes)(when_online)

    return register


def _marked(summary: str | None) -> str:
    return f"Online only: {inspect.cleandoc(summary or '')}"
