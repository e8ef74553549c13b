"""Expected failures: each says what happened and what to do. Anything else is a bug and propagates."""

from __future__ import annotations


class EngineError(Exception):
    """A migration step failed for a reason a person can act on.

    ``message`` says what is, ``hint`` what to do, ``server_message`` is the server's own text (never a secret).
    """

    def __init__(self, message: str, *, hint: str = "", server_message: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.server_message = server_message


class ConnectionFailed(EngineError):
    """A server could not be reached or refused the login. ``kind`` is a stable word for the cause."""

    def __init__(self, message: str, *, kind: str, hint: str = "", server_message: str = "") -> None:
        super().__init__(message, hint=hint, server_message=server_message)
        self.kind = kind


class ConnectionLost(EngineError):
    """An open connection ended while it was in use; the step may be tried again."""


class LockWaitedTooLong(ConnectionLost):
    """Somebody waits for an exclusive lock on what we hold, and we wait behind them: let go, and begin anew."""


class ToolFailed(EngineError):
    """A client program (psql, pg_dump, pg_restore) ended with an error."""


class PortalDiskFull(EngineError):
    """The machine of the portal has no space left for a file of the migration."""


class StatementRefused(EngineError):
    """A server refused a statement that the migration cannot do without."""


class CopyFailed(EngineError):
    """The rows of a part could not be copied; nothing of the part is on the target."""


class RestoreFailed(EngineError):
    """An object could not be restored and the migration is set to stop at such an error."""


class ModeNotPossible(EngineError):
    """The migration's mode cannot be carried out: for its kind of source, or by who was asked to."""


class ConsentMissing(EngineError):
    """The target database exists and nobody agreed to overwrite it."""


class TargetNotOurs(EngineError):
    """The target database was changed by somebody else while the migration ran."""


class ValidationFailed(EngineError):
    """At least one validation rule failed; the findings say which."""


class ConsentToWarningsMissing(EngineError):
    """Validation found warnings, and the migration is set to wait until a person accepted each."""


class Stopped(EngineError):
    """The work was asked to end; not a failure of the migration."""


class Canceled(Stopped):
    """A person canceled the migration."""


class LeaseLost(Stopped):
    """Another conductor owns the migration now; this one must not touch anything any more."""
