"""What was compared so far, and the worst of it."""

from __future__ import annotations

import threading

from migrations_app.engine.events import CheckResult, ObjectVerified
from migrations_app.engine.ports import Reporter
from migrations_app.engine.postgres import Error

SHOWN_CHARACTERS = 4000
_SEVERITY = (CheckResult.IDENTICAL, CheckResult.COULD_NOT_VERIFY, CheckResult.DIFFERENT)


class Verdicts:
    """Reports each comparison of one database and keeps the worst result; used by several threads at once."""

    def __init__(self, reporter: Reporter, *, database_id: str) -> None:
        self._reporter = reporter
        self._database_id = database_id
        self._lock = threading.Lock()
        self._worst = CheckResult.IDENTICAL

    @property
    def worst(self) -> CheckResult:
        """A difference is worse than what could not be compared, and that is worse than nothing found."""
        return self._worst

    def add(
        self,
        object_class: str,
        name: str,
        result: CheckResult,
        *,
        source: object = "",
        target: object = "",
        detail: str = "",
    ) -> None:
        """Report one comparison."""
        with self._lock:
            self._worst = max(self._worst, result, key=_SEVERITY.index)
        self._reporter.report(
            ObjectVerified(
                self._database_id, object_class, name, result, shown(str(source)), shown(str(target)), shown(detail)
            )
        )

    def could_not(self, object_class: str, name: str, *, because: object, source: object = "") -> None:
        """Report that a comparison was not possible, with the server's own words."""
        words = server_words(because) if isinstance(because, Error) else str(because)
        self.add(object_class, name, CheckResult.COULD_NOT_VERIFY, source=source, detail=words)


def server_words(error: Error) -> str:
    """Return what the server said, without the excerpt of our statement."""
    return error.diag.message_primary or str(error).strip()


def shown(text: str) -> str:
    """Shorten a text so that a report stays readable."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text):,} characters)"
