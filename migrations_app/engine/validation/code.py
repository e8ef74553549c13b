"""The codes of findings: stable numbers with a level, a title and the reason why it matters."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_app.engine.findings import Finding, FindingSide, Level, ScriptUse

PHASE = "validation"


@dataclass(frozen=True)
class Code:
    """One kind of finding. ``number`` is Microsoft's (603000-603413) where one exists, else ``PM####``.

    ``side`` is the server on which such findings are mended, unless one says otherwise; every code states it.
    https://learn.microsoft.com/azure/postgresql/migrate/migration-service/troubleshoot-error-codes
    """

    number: str
    level: Level
    title: str
    why: str
    side: FindingSide | None = None

    def found(
        self,
        subject: str,
        *,
        saw: str,
        fix: str = "",
        fix_sql: str = "",
        level: Level | None = None,
        server_message: str = "",
        database_id: str = "",
        side: FindingSide | None = None,
        script_use: ScriptUse = ScriptUse.NOW,
        script_database: str = "",
    ) -> Finding:
        """Return a finding of this kind about ``subject``."""
        return Finding(
            code=self.number,
            level=level or self.level,
            subject=subject,
            saw=saw,
            why=self.why,
            fix=fix,
            fix_sql=fix_sql,
            server_message=server_message,
            database_id=database_id,
            phase=PHASE,
            side=next((known for known in (side, self.side) if known is not None), FindingSide.NONE),
            script_use=script_use,
            script_database=script_database,
        )

    def unknown(
        self,
        subject: str,
        *,
        saw: str,
        fix: str = "",
        server_message: str = "",
        side: FindingSide | None = None,
    ) -> Finding:
        """Return the finding that this could not be checked."""
        return self.found(subject, saw=saw, fix=fix, level=Level.UNKNOWN, server_message=server_message, side=side)


_CODES: dict[str, Code] = {}


def code(number: str, level: Level, title: str, *, why: str, side: FindingSide | None = None) -> Code:
    """Define a code; a number is given once."""
    if number in _CODES:
        raise ValueError(f"code {number} is defined twice")
    _CODES[number] = Code(number, level, title, why, side)
    return _CODES[number]


def all_codes() -> list[Code]:
    """Return every code, by number."""
    return [_CODES[number] for number in sorted(_CODES)]
