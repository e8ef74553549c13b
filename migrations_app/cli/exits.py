"""How a command ends: its exit code, and the failure that carries one."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What scripts may rely on."""

    SUCCESS = 0
    MIGRATION_FAILED = 1
    BAD_INPUT = 2
    VALIDATION_FAILED = 3
    NOT_PROVED = 4
    INTERRUPTED = 130


EXIT_CODE_MEANINGS = {
    ExitCode.SUCCESS: "The command did its work; with `--wait`, the migration succeeded.",
    ExitCode.MIGRATION_FAILED: "The migration failed or was canceled.",
    ExitCode.BAD_INPUT: "Bad input: nothing was done. The message says what to correct.",
    ExitCode.VALIDATION_FAILED: "The validation found something that would make the migration fail.",
    ExitCode.NOT_PROVED: "The verification found a difference, or could not verify everything.",
    ExitCode.INTERRUPTED: "Ctrl-C ended the waiting; the migration goes on.",
}


class CommandFailed(Exception):
    """The command cannot do what was asked. ``message`` says what is, ``hint`` what to do."""

    def __init__(
        self, message: str, *, hint: str = "", server_message: str = "", exit_code: ExitCode = ExitCode.BAD_INPUT
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.server_message = server_message
        self.exit_code = exit_code
