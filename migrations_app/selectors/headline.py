"""What a validation says in one sentence."""

from __future__ import annotations

from migrations_app.selectors.migration_page import TabCounts


def headline(counts: TabCounts) -> str:
    """``3 reasons why it would fail, 5 warnings; nothing was changed on either server.``"""
    parts = [f"{_counted(counts.findings_failed, 'reason')} why it would fail"] if counts.findings_failed else []
    if not parts:
        parts.append("Nothing stands in the way")
    if counts.findings_warning:
        parts.append(_counted(counts.findings_warning, "warning"))
    if counts.findings_unknown:
        parts.append(f"{_counted(counts.findings_unknown, 'check')} that could not run")
    if counts.findings_accepted:
        parts.append(f"{counts.findings_accepted:,} accepted")
    return f"{', '.join(parts)}; nothing was changed on either server."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
