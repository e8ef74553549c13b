"""What goes wrong while a database is followed: told once as a finding when it begins, and once when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field

from migrations_app.engine.events import FindingsSettled
from migrations_app.engine.findings import Level, ScriptUse
from migrations_app.engine.job import DatabaseJob

RETAINED, NO_PROGRESS, DRIFT, OTHER_SERVER = "PM4031", "PM4032", "PM4033", "PM4034"
APPLY_BROKEN, NOT_SUBSCRIBED, MADE_SINCE = "PM4035", "PM4036", "PM4037"
ROOM, LAG = "PM4041", "PM4042"

WHY = {
    RETAINED: "The source keeps its log until the changes are applied. When its disk is full, it stops.",
    ROOM: "The source keeps its log until the changes are applied. When there is no room for more, it stops, or throws "
    "away what the slot needs.",
    LAG: "A cutover would block writes for as long as it takes to apply what is missing.",
    NO_PROGRESS: "Changes are made on the publishing server and none arrives.",
    DRIFT: "Changes of it could not be applied, or would be applied in part. The apply rests where they would, goes on "
    "by itself when both sides are alike again, and nothing is cut over before that.",
    OTHER_SERVER: "After a failover changes may be missing: a standby need not have had the last commits.",
    APPLY_BROKEN: "No change arrives until this is mended, and the publishing server keeps its log.",
    NOT_SUBSCRIBED: "Changes of a published table that the subscription does not know are passed over in silence.",
    MADE_SINCE: "A table made after the copy began has no rows on the target, and nothing is cut over without it.",
}


@dataclass
class Alarms:
    """The alarms of one database that are on."""

    job: DatabaseJob
    _on: dict[tuple[str, str], str] = field(default_factory=dict)
    _settled: dict[str, frozenset[str]] = field(default_factory=dict)

    def raise_(
        self,
        code: str,
        subject: str,
        saw: str,
        *,
        fix: str,
        fix_sql: str = "",
        server_message: str = "",
        level: Level = Level.WARNING,
        episode: str = "",
        script_use: ScriptUse = ScriptUse.NOW,
    ) -> None:
        """Tell something, unless it is being told already; ``episode`` changes when it is to be told once more."""
        if self._on.get((code, subject)) == episode:
            return
        self._on[code, subject] = episode
        self.job.find(
            code,
            level,
            subject,
            saw,
            why=WHY[code],
            fix=fix,
            fix_sql=fix_sql,
            server_message=server_message,
            phase="catch_up",
            script_use=script_use,
        )

    def end(self, code: str, *, but: set[str] | None = None) -> None:
        """What this code told is over, but for these subjects."""
        for key in [key for key in self._on if key[0] == code and key[1] not in (but or set())]:
            del self._on[key]
            self.job.note(f"Over: {key[1]} ({code}).")

    def settle(self, code: str, *, still: frozenset[str]) -> None:
        """Say of which subjects this code is still true; an earlier run may have told others."""
        self.end(code, but=set(still))
        if self._settled.get(code) != still:
            self._settled[code] = still
            self.job.reporter.report(FindingsSettled(self.job.database.id, code, still))
