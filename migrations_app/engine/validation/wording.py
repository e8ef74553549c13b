"""Words for findings: lists of names, sizes, and statements with quoted names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import LiteralString

from migrations_app.engine.findings import Finding
from migrations_app.engine.postgres import sql
from migrations_app.engine.validation.code import Code

MAX_FINDINGS_PER_KIND = 50


def listed(names: Iterable[str], *, limit: int = 5) -> str:
    """Return ``a, b, c and 9 more``."""
    names = list(names)
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more:,} more" if more > 0 else "")


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 table`` or ``1,204 tables``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def size(count: int) -> str:
    """Return a number of bytes as ``1.2 GB`` (powers of 1024)."""
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"


def duration(seconds: float) -> str:
    """Return a length of time as ``45 s``, ``12 min`` or ``3 h 20 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def statement(template: LiteralString, *names: str | tuple[str, str]) -> str:
    """Return ``template`` with each ``{}`` replaced by a quoted name or ``schema.name``."""
    parts = [sql.Identifier(*((name,) if isinstance(name, str) else name)) for name in names]
    return sql.SQL(template).format(*parts).as_string()


def capped(findings: Sequence[Finding], code: Code, *, what: str) -> list[Finding]:
    """Return the findings, or the first 50 and one that sums up the rest with their fixes."""
    shown, rest = findings[:MAX_FINDINGS_PER_KIND], findings[MAX_FINDINGS_PER_KIND:]
    if not rest:
        return list(shown)
    summary = code.found(
        f"{len(rest):,} more {what}",
        saw=f"The same holds for {listed((finding.subject for finding in rest), limit=20)}.",
        fix=rest[0].fix,
        fix_sql="\n".join(dict.fromkeys(finding.fix_sql for finding in rest if finding.fix_sql)),
        level=rest[0].level,
        side=rest[0].side,
        script_use=rest[0].script_use,
        script_database=rest[0].script_database,
    )
    return [*shown, summary]
