"""Check before a migration whether it can succeed, and say exactly what to do where it cannot."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from migrations_app.engine.errors import EngineError, Stopped
from migrations_app.engine.events import ValidationEnded
from migrations_app.engine.findings import Finding, Level
from migrations_app.engine.ports import Reporter
from migrations_app.engine.postgres import Server
from migrations_app.engine.spec import MigrationSpec
from migrations_app.engine.validation import rules
from migrations_app.engine.validation.connectivity import not_run, unreachable
from migrations_app.engine.validation.context import SeenServer, ServerContext, see
from migrations_app.engine.validation.rule import DATABASE_RULES, SERVER_RULES
from migrations_app.engine.validation.runner import Findings, run_database_rules, run_server_rules, tried_codes

ORDER = (Level.FAILED, Level.UNKNOWN, Level.WARNING, Level.INFO)


def validate(
    spec: MigrationSpec, source: Server, target: Server, reporter: Reporter, *, only_codes: Collection[str] = ()
) -> list[Finding]:
    """Return what stands in the way of the migration, the worst first; nothing on either server is changed.

    Each finding is also reported when it is made, and at last that the validation ended. A finding of level
    ``FAILED`` means that the migration cannot succeed; ``UNKNOWN`` that a rule could not run. ``only_codes`` limits
    the rules to those that may find one of these codes; empty runs all. Raises only the reason to stop.
    """
    findings = Findings(reporter)
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="look-at") as pool:
        futures = [pool.submit(_see, server, findings) for server in (source, target)]
    seen_source, seen_target = (future.result() for future in futures)
    if seen_source and seen_target:
        context = ServerContext(spec, seen_source, seen_target)
        run_server_rules(context, findings, only_codes=only_codes)
        run_database_rules(context, findings, only_codes=only_codes)
    tried = tried_codes(only_codes) if seen_source and seen_target else frozenset()
    reporter.report(ValidationEnded(tried, is_full=not only_codes))
    return sorted(findings.all, key=lambda finding: (ORDER.index(finding.level), bool(finding.database_id)))


def _see(server: Server, findings: Findings) -> SeenServer | None:
    try:
        return see(server)
    except Stopped:
        raise
    except EngineError as error:
        findings.add([unreachable(server, error), not_run(server, count=len(SERVER_RULES) + len(DATABASE_RULES))])
        return None


__all__ = ["DATABASE_RULES", "SERVER_RULES", "rules", "validate"]
