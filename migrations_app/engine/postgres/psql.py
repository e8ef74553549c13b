"""A psql that stays open and takes one command after the other; the data of a COPY never passes through Python."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from typing import IO

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConnectionLost, CopyFailed, EngineError
from migrations_app.engine.postgres import client_tools
from migrations_app.engine.postgres.connection import NO_SESSION_LIMITS, Server
from migrations_app.engine.postgres.server_errors import explain_failure

COPY_TAG = re.compile(rb"^COPY (\d+)$")
READ_BYTES = 65536
SESSION = (
    r"\set VERBOSITY verbose",
    "SET client_min_messages = warning",
    "SET statement_timeout = 0",
    "SET lock_timeout = '15s'",
    "SET idle_in_transaction_session_timeout = 0",
    "SET datestyle = 'ISO, YMD'",
    "SET intervalstyle = 'postgres'",
    "SET timezone = 'UTC'",
    "SET extra_float_digits = 3",
    "SET lc_monetary = 'C'",
    NO_SESSION_LIMITS,
    "SET search_path = ''",
    "SET synchronize_seqscans = off",  # rows keep their order, as with pg_dump, though a digest reads beside the copy
)


class Psql:
    """One psql process. A command that fails ends it; ``failure`` tells why. ``doing`` names the work in errors."""

    def __init__(self, server: Server, *, database: str, purpose: str, encoding: str, codec: str) -> None:
        self.server = server
        self._control: Control = server.control
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.doing = "psql"
        self._codec = codec
        self._sequence = 0
        self._pending = b""
        self.copied: int | None = None
        self.process: subprocess.Popen[bytes] = client_tools.start(
            "psql",
            [
                "--no-psqlrc",
                "--no-password",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                "--file=-",
                "--dbname=" + server.conninfo(database, purpose=purpose),
            ],
            endpoint=server.endpoint,
            control=self._control,
            extra_environment={"PGCLIENTENCODING": encoding},
            stdin=subprocess.PIPE,
            stderr=self._errors,
        )
        self.kill = client_tools.killer(self.process)
        self.send(*SESSION)

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe that psql answers on."""
        assert self.process.stdout is not None  # noqa: S101 - opened with PIPE above
        return self.process.stdout

    def send(self, *commands: str) -> None:
        """Send commands without waiting for them; a meta-command begins with a backslash."""
        assert self.process.stdin is not None  # noqa: S101 - opened with PIPE above
        lines = [command if command.startswith("\\") else command + ";" for command in commands]
        try:
            self.process.stdin.write(("\n".join(lines) + "\n").encode(self._codec))
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise self.failure() from error

    def mark(self) -> bytes:
        """Ask psql to say when it has reached this point; ``read_some`` and ``read_until`` look for it."""
        self._sequence += 1
        self.copied = None
        self.send(rf"\echo @reached {self._sequence}")
        return b"@reached %d" % self._sequence

    def read_some(self, mark: bytes) -> bool:
        """Read once what psql wrote, waiting if that is nothing yet; True when it has reached ``mark``.

        Keeps the row count of the last COPY in ``copied``. Raises what ``failure`` explains when psql ended first.
        """
        chunk = os.read(self.stdout.fileno(), READ_BYTES)
        if not chunk:
            raise self.failure()
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            tag = COPY_TAG.match(line)
            self.copied = int(tag.group(1)) if tag else self.copied
        return mark in lines

    def read_until(self, mark: bytes) -> None:
        """Wait until psql has reached ``mark``."""
        while not self.read_some(mark):
            continue

    def failure(self, *, kind: type[EngineError] = CopyFailed) -> EngineError:
        """End the process and return the typed error for what it printed last."""
        self.kill()
        self.process.wait()
        self._control.check()
        text = self._said()
        if not text:
            return ConnectionLost(
                f"{self.doing}: psql was killed.",
                hint="If it happens again, look whether this machine runs out of memory (dmesg).",
                server_message=f"exit code {self.process.returncode}",
            )
        return explain_failure(text, endpoint=self.server.endpoint, kind=kind, what=self.doing)

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()[-4000:]

    @property
    def is_running(self) -> bool:
        """True until the process has ended."""
        return self.process.poll() is None

    @property
    def wrote_into_closed_pipe(self) -> bool:
        """True when it ended only because nobody read its rows any more."""
        return self.process.returncode == -signal.SIGPIPE or "Broken pipe" in self._said()

    def close(self) -> None:
        """End the process, whatever it does; an open transaction is rolled back by the server."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # what could not be flushed was meant for a process that has ended
        self.process.wait()
        self._errors.close()
