"""What a validation that ended proves about findings that it did not make again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from migrations_app.engine.events import ValidationEnded
from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.validation import DATABASE_RULES, SERVER_RULES
from migrations_app.engine.validation.connectivity import NOT_OPENED, NOT_READABLE, TLS_REFUSED, UNREACHABLE
from migrations_app.engine.validation.connectivity import WRONG_PASSWORD as LOGIN_REFUSED
from migrations_app.engine.validation.rule import Rule
from migrations_app.services.recording.ledger import key_of

CONNECTING = frozenset(code.number for code in (UNREACHABLE, TLS_REFUSED, LOGIN_REFUSED))
AT_THE_DOOR = CONNECTING | {NOT_READABLE.number, NOT_OPENED.number}


def codes_beside(code: str) -> frozenset[str]:
    """Return every code of the rules that may find ``code``; empty for one that no rule finds."""
    every: list[Rule[Any]] = [*SERVER_RULES, *DATABASE_RULES]
    rules = [rule for rule in every if code in {each.number for each in rule.codes}]
    return frozenset(each.number for rule in rules for each in rule.codes)


def is_of_databases_only(code: str) -> bool:
    """Tell whether only rules about single databases find ``code``."""
    return bool(codes_beside(code)) and not any(code in {each.number for each in rule.codes} for rule in SERVER_RULES)


class Tried:
    """Which rules a validation tried, and which of them could not run."""

    def __init__(self, ended: ValidationEnded, *, found: Iterable[Finding]) -> None:
        self._ended = ended
        self._unseen_databases: set[UUID | None] = set()
        self._unknown: set[tuple[str, UUID | None]] = set()
        for finding in found:
            database_id = key_of(finding.database_id)
            if finding.code == NOT_OPENED.number:
                self._unseen_databases.add(database_id)
            elif finding.level is Level.UNKNOWN:
                self._unknown |= {(code, database_id) for code in codes_beside(finding.code) | {finding.code}}

    def has_checked(self, code: str, database_id: UUID | None) -> bool:
        """Tell whether a finding of that code about that database would have been made if it were still so."""
        if code in AT_THE_DOOR:
            return bool(self._ended.codes) and database_id not in self._unseen_databases
        is_unknown = (code, database_id) in self._unknown or (code, None) in self._unknown
        is_unseen = database_id in self._unseen_databases and is_of_databases_only(code)
        return code in self._ended.codes and not is_unknown and not is_unseen

    def replaces(self, code: str, database_id: UUID | None) -> bool:
        """Tell whether a finding that was not made again leaves the list.

        After a full validation all of them do: what could not be checked stands there itself. One rule alone takes
        off only what it has really looked at.
        """
        if self._ended.is_full:
            return True
        return code != NOT_READABLE.number and self.has_checked(code, database_id)
