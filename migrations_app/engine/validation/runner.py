"""Run rules: in parallel, with time limits; a rule that cannot run is a finding, never silence."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from migrations_app.engine.control import Control
from migrations_app.engine.errors import EngineError, Stopped
from migrations_app.engine.events import FindingRaised
from migrations_app.engine.findings import Finding
from migrations_app.engine.ports import Reporter
from migrations_app.engine.postgres.queries.reading import ReadTimedOut
from migrations_app.engine.probe_databases import MAX_PARALLEL, limit_statements
from migrations_app.engine.spec import DatabaseSpec
from migrations_app.engine.validation.connectivity import could_not_open
from migrations_app.engine.validation.context import (
    RULE_TIME_LIMIT_SECONDS,
    Clock,
    DatabaseContext,
    ServerContext,
)
from migrations_app.engine.validation.rule import DATABASE_RULES, SERVER_RULES, Context, Rule

logger = logging.getLogger(__name__)

PARALLEL_SERVER_RULES = 2


class Findings:
    """Collects findings from several threads and reports each at once."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = threading.Lock()
        self._all: list[Finding] = []

    def add(self, findings: Iterable[Finding], *, database_id: str = "") -> None:
        """Take findings; those without a database get ``database_id``."""
        for finding in findings:
            finding = replace(finding, database_id=finding.database_id or database_id)
            with self._lock:
                self._all.append(finding)
            self._reporter.report(FindingRaised(finding))

    @property
    def all(self) -> list[Finding]:
        """Everything found so far."""
        with self._lock:
            return list(self._all)


def chosen(rules: Sequence[Rule[Context]], only_codes: Collection[str]) -> list[Rule[Context]]:
    """Return the rules that may find one of ``only_codes``; all of them where it is empty."""
    wanted = set(only_codes)
    return [rule for rule in rules if not wanted or any(code.number in wanted for code in rule.codes)]


def tried_codes(only_codes: Collection[str]) -> frozenset[str]:
    """Return every code that the chosen rules may find."""
    rules: list[Rule[Any]] = [*chosen(SERVER_RULES, only_codes), *chosen(DATABASE_RULES, only_codes)]
    return frozenset(code.number for rule in rules for code in rule.codes)


def run_server_rules(context: ServerContext, findings: Findings, *, only_codes: Collection[str] = ()) -> None:
    """Run the chosen rules about the two servers, a few at once; each finding is told as soon as its rule has ended."""
    control = context.source.server.control

    def run(rule: Rule[ServerContext]) -> None:
        findings.add(_run(rule, context=context, subject="Both servers", control=control))

    with ThreadPoolExecutor(max_workers=PARALLEL_SERVER_RULES, thread_name_prefix="server-rule") as pool:
        list(pool.map(run, chosen(SERVER_RULES, only_codes)))


def run_database_rules(context: ServerContext, findings: Findings, *, only_codes: Collection[str] = ()) -> None:
    """Run the chosen rules about databases, several databases at once."""
    rules = chosen(DATABASE_RULES, only_codes)
    if not rules:
        return
    databases = [database for database, facts in context.source_databases if facts.connectable]
    parallel = max(1, min(MAX_PARALLEL, context.source.facts.free_connections - 1, len(databases)))
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="database-rule") as pool:
        list(pool.map(partial(_check_database, context, findings, rules), databases))


def _check_database(
    servers: ServerContext,
    findings: Findings,
    rules: Sequence[Rule[DatabaseContext]],
    database: DatabaseSpec,
) -> None:
    try:
        with servers.source.server.connected(database.source_name, purpose="validate") as connection:
            limit_statements(connection, seconds=RULE_TIME_LIMIT_SECONDS)
            clock = Clock(RULE_TIME_LIMIT_SECONDS)
            context = DatabaseContext(servers, database, connection, clock)
            for rule in rules:
                clock.restart()
                found = _run(rule, context=context, subject=database.source_name, control=servers.source.server.control)
                findings.add(found, database_id=database.id)
    except Stopped:
        raise
    except EngineError as error:
        findings.add([could_not_open(database, error)], database_id=database.id)


def _run(rule: Rule[Context], *, context: Context, subject: str, control: Control) -> list[Finding]:
    """Return what ``rule`` found, and, where it could not be run to its end, that too, with the reason."""
    control.check()
    found: list[Finding] = []
    try:
        found.extend(rule.check(context))
    except Stopped:
        raise
    except EngineError as error:
        cut_off = "The rule was cut off before its end. " if isinstance(error, ReadTimedOut) else ""
        return [
            *found,
            rule.codes[0].unknown(
                subject,
                saw=f"{rule.name}: {cut_off}{error.message}",
                fix=error.hint,
                server_message=error.server_message,
            ),
        ]
    except Exception as error:
        control.check()
        logger.exception("rule %s failed", rule.name)
        return [
            *found,
            rule.codes[0].unknown(
                subject,
                saw=f"{rule.name}: the check itself failed ({type(error).__name__}).",
                fix="This is a defect of the portal: its log has the details. Check this point by hand.",
                server_message=str(error).strip(),
            ),
        ]
    return found
