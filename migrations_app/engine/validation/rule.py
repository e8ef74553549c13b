"""A rule is a function that returns findings; decorators register it with its scope and codes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from migrations_app.engine.findings import Finding
from migrations_app.engine.validation.code import Code
from migrations_app.engine.validation.context import DatabaseContext, ServerContext

Context = TypeVar("Context")


@dataclass(frozen=True)
class Rule(Generic[Context]):
    """A registered rule: what it checks in words, the codes it may find, and the function."""

    name: str
    summary: str
    codes: tuple[Code, ...]
    check: Callable[[Context], Iterable[Finding]]


SERVER_RULES: list[Rule[ServerContext]] = []
DATABASE_RULES: list[Rule[DatabaseContext]] = []

ServerCheck = Callable[[ServerContext], Iterable[Finding]]
DatabaseCheck = Callable[[DatabaseContext], Iterable[Finding]]


def server_rule(*codes: Code) -> Callable[[ServerCheck], ServerCheck]:
    """Register a rule about the two servers; it runs once for each migration."""

    def register(check: ServerCheck) -> ServerCheck:
        SERVER_RULES.append(Rule(_name(check), _summary(check), codes, check))
        return check

    return register


def database_rule(*codes: Code) -> Callable[[DatabaseCheck], DatabaseCheck]:
    """Register a rule about one source database; it runs once for each database of the migration."""

    def register(check: DatabaseCheck) -> DatabaseCheck:
        DATABASE_RULES.append(Rule(_name(check), _summary(check), codes, check))
        return check

    return register


def _name(check: Callable[..., object]) -> str:
    return check.__name__.replace("_", " ").strip().capitalize()


def _summary(check: Callable[..., object]) -> str:
    return (inspect.getdoc(check) or "").split("\n\n")[0].replace("\n", " ")
