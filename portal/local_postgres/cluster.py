"""One PostgreSQL cluster on this machine: create, start, stop; as an ordinary user and as root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from portal.local_postgres import files, processes
from portal.local_postgres.binaries import Installation, client_installation
from portal.local_postgres.tls import ServerCertificate
from portal.local_postgres.unprivileged import Identity, Way, identity_for

START_TIMEOUT_SECONDS = 60
ORPHAN_TIMEOUT_SECONDS = 10
LARGEST_LOG_BYTES = 10_000_000
SOCKET_ONLY_PORT = 5432


class ClusterError(Exception):
    """A local server could not be created, started or stopped; the message holds what the program said."""


class StopMode(StrEnum):
    """How a server stops: wait for sessions to leave, end them, or leave recovery to the next start."""

    SMART = "smart"
    FAST = "fast"
    IMMEDIATE = "immediate"


STOP_SIGNALS = {
    StopMode.SMART: signal.SIGTERM,
    StopMode.FAST: signal.SIGINT,
    StopMode.IMMEDIATE: signal.SIGQUIT,
}


class Cluster:
    """A data directory and the installation that serves it.

    Without ``port`` only the unix socket, in a directory of mode 0700, leads to it; with ``port`` it listens on
    127.0.0.1 as well, where ``superuser`` needs ``password`` (SCRAM), and TLS if ``tls`` is given. ``hba`` replaces
    the lines of pg_hba.conf; ``settings`` go into the configuration at every start.
    """

    def __init__(
        self,
        data_dir: Path,
        installation: Installation,
        *,
        port: int | None = None,
        socket_dir: Path | None = None,
        settings: Mapping[str, object] | None = None,
        superuser: str = "postgres",
        password: str | None = None,
        tls: ServerCertificate | None = None,
        hba: Sequence[str] | None = None,
        way: Way | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.installation = installation
        self.port = port
        self.socket_port = port or SOCKET_ONLY_PORT
        self.socket_dir = socket_dir or files.socket_directory_for(self.data_dir, port=self.socket_port)
        self.settings = dict(settings or {})
        self.superuser = superuser
        self.password = password
        self.tls = tls
        self.hba = hba
        self.log_file = self.data_dir / "server.log"
        self._way = way

    def exists(self) -> bool:
        """Tell whether ``create`` has been completed once."""
        return (self.data_dir / "PG_VERSION").is_file()

    def is_running(self) -> bool:
        """Tell whether the server runs; a pid file left by a killed server or by a reboot does not count."""
        return processes.postmaster_pid(self.data_dir) is not None

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return processes.postmaster_pid(self.data_dir)

    def create(self, *, template: Path | None = None) -> None:
        """Create the data directory with initdb, or as a copy of ``template``. Raises ``ClusterError``."""
        if self.exists():
            raise ClusterError(f"{self.data_dir} already holds a cluster.")
        unfinished = self.data_dir.with_name(f"{self.data_dir.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        identity = self._identity(unfinished)
        if template:
            _copy(template, unfinished)
            identity.own(unfinished)
        else:
            self._initdb(unfinished, identity)
        if self.password is not None:
            self._set_password(unfinished, identity, self.password)
        unfinished.rename(self.data_dir)

    def start(self, *, timeout_seconds: int = START_TIMEOUT_SECONDS) -> None:
        """Start the server and wait until it accepts connections. Raises ``ClusterError`` with the server's log."""
        if self.is_running():
            return
        identity = self._identity(self.data_dir)
        self._end_orphans()
        self._remove_stale_locks()
        self._configure(identity)
        self._rotate_log()
        pg_ctl = self.installation.tool("pg_ctl")
        wait = ("-w", "-t", str(timeout_seconds), "-s")
        command = identity.command(pg_ctl, "-D", self.data_dir, "-l", self.log_file, *wait, "start")
        started = _run(command, timeout_seconds + 10)
        if started.returncode != 0:
            raise ClusterError(f"The server in {self.data_dir} did not start.\n{started.stderr}{self.log_tail()}")

    def stop(self, mode: str = "fast", *, timeout_seconds: float = 60) -> None:
        """Stop the server and wait for its last process; does nothing if it is not running. Raises ``ClusterError``."""
        pid = self.pid
        if pid is None:
            return
        processes.send(pid, STOP_SIGNALS[StopMode(mode)])
        if not processes.wait_until_gone(self.data_dir, timeout_seconds=timeout_seconds):
            raise ClusterError(f"The server in {self.data_dir} (process {pid}) did not stop in {timeout_seconds} s.")

    def trusts_anybody(self) -> bool:
        """Tell whether pg_hba.conf, as it was at the last start, lets somebody in without a password."""
        lines = (self.data_dir / "pg_hba.conf").read_text().splitlines()
        return any(line.split()[-1:] == ["trust"] for line in lines if not line.lstrip().startswith("#"))

    def set_password(self) -> None:
        """Give ``password`` to the superuser of a server that does not run. Raises ``ClusterError``."""
        if self.password is None or self.is_running():
            raise ClusterError(f"A password can be set only while the server in {self.data_dir} does not run.")
        self._end_orphans()
        self._remove_stale_locks()
        self._set_password(self.data_dir, self._identity(self.data_dir), self.password)

    def restart(self, mode: str = "fast") -> None:
        """Stop and start."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End the server as a power cut would: SIGKILL to the server, which cannot clean up."""
        pid = self.pid
        if pid is not None:
            processes.send(pid, signal.SIGKILL)
            self._end_orphans()

    def reload(self) -> None:
        """Make the running server read its configuration, as ``settings``, ``hba`` and ``tls`` say now."""
        self._configure(self._identity(self.data_dir))
        pid = self.pid
        if pid is not None:
            processes.send(pid, signal.SIGHUP)

    def destroy(self) -> None:
        """Stop at once and delete the data and socket directories."""
        self.stop("immediate")
        shutil.rmtree(self.data_dir, ignore_errors=True)
        shutil.rmtree(self.socket_dir, ignore_errors=True)

    def conninfo(self, *, database: str = "postgres") -> str:
        """Return a libpq connection string for ``superuser`` over the unix socket; it needs no password by default."""
        values = {
            "host": str(self.socket_dir),
            "port": str(self.socket_port),
            "user": self.superuser,
            "dbname": database,
        }
        return " ".join(f"{key}='{_escaped(value)}'" for key, value in values.items())

    def url(self, *, database: str = "postgres") -> str:
        """Return the same as a URL that libpq and ``DATABASE_URL`` take."""
        user, name, host = (quote(word, safe="") for word in (self.superuser, database, str(self.socket_dir)))
        return f"postgresql://{user}@/{name}?host={host}&port={self.socket_port}"

    def psql(self, script: str, *, database: str = "postgres") -> str:
        """Run SQL as ``superuser`` over the socket, and return what it prints. Raises ``ClusterError``."""
        psql = client_installation().tool("psql")
        options = ["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(database=database)]
        password = {"PGPASSWORD": self.password} if self.password is not None else {}
        done = _run([str(psql), *options], timeout_seconds=300, standard_input=script, variables=password)
        if done.returncode != 0:
            raise ClusterError(f"psql failed on {self.data_dir}: {done.stderr.strip()}")
        return done.stdout.strip()

    def log_tail(self, *, lines: int = 20) -> str:
        """Return the end of the server's log."""
        if not self.log_file.is_file():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def _identity(self, directory: Path) -> Identity:
        identity = identity_for(directory, bin_dir=self.installation.bin_dir, way=self._way)
        if directory.exists() and directory.stat().st_uid != identity.uid:
            identity.own(directory)
        return identity

    def _initdb(self, directory: Path, identity: Identity) -> None:
        options = ["-D", str(directory), "-U", self.superuser, "-A", "trust", "-E", "UTF8", "--locale=C"]
        if str(self.settings.get("fsync")) in ("off", "False"):
            options.append("--no-sync")
        done = _run(identity.command(self.installation.tool("initdb"), *options), timeout_seconds=300)
        if done.returncode != 0:
            raise ClusterError(f"initdb failed for {self.data_dir}.\n{done.stderr}")

    def _set_password(self, directory: Path, identity: Identity, password: str) -> None:
        """Set the superuser's password in single-user mode, so that it is on no command line and in no log."""
        user, secret = self.superuser.replace('"', '""'), password.replace("'", "''")
        statements = f"SET password_encryption = 'scram-sha-256';\nALTER ROLE \"{user}\" PASSWORD '{secret}';\n"
        postgres = self.installation.tool("postgres")
        command = identity.command(postgres, "--single", "-D", directory, "-c", "log_statement=none", "postgres")
        done = _run(command, timeout_seconds=60, standard_input=statements)
        if done.returncode != 0 or "ERROR" in done.stderr:
            raise ClusterError(f"The password of {self.superuser} could not be set.\n{done.stderr}")

    def _configure(self, identity: Identity) -> None:
        files.make_private_directory(self.socket_dir, uid=identity.uid)
        identity.own(self.socket_dir)
        self._write(files.SETTINGS_FILE, files.settings_text(self._all_settings()), identity)
        hba = files.hba_text(lines=self.hba, listens=self.port is not None, tls=self.tls is not None)
        self._write("pg_hba.conf", hba, identity)
        if self.tls:
            self._write("server.crt", self.tls.certificate_file.read_text(), identity)
            self._write("server.key", self.tls.key_file.read_text(), identity)
        self._include_settings(identity)

    def _all_settings(self) -> dict[str, object]:
        tls = {"ssl": True, "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"} if self.tls else {}
        reach = {
            "listen_addresses": "127.0.0.1" if self.port else "",
            "port": self.socket_port,
            "unix_socket_directories": f'"{self.socket_dir}"',
        }
        return {**files.BASE_SETTINGS, **tls, **reach, **self.settings}

    def _include_settings(self, identity: Identity) -> None:
        main = self.data_dir / "postgresql.conf"
        line = f"include '{files.SETTINGS_FILE}'\n"
        text = main.read_text()
        if not text.endswith(line):
            self._write(main.name, f"{text}\n{line}", identity)

    def _write(self, name: str, text: str, identity: Identity) -> None:
        path = self.data_dir / name
        partial = path.with_name(f"{name}.partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(text)
        identity.own(partial)
        partial.rename(path)

    def _end_orphans(self) -> None:
        """Wait for the sessions of a killed server to notice; end those that do not, else data could be damaged."""
        if processes.wait_until_gone(self.data_dir, timeout_seconds=ORPHAN_TIMEOUT_SECONDS):
            return
        for pid in processes.processes_in(self.data_dir):
            processes.send(pid, signal.SIGKILL)
        if not processes.wait_until_gone(self.data_dir, timeout_seconds=ORPHAN_TIMEOUT_SECONDS):
            raise ClusterError(f"Processes of an earlier server still work in {self.data_dir}; end them, then start.")

    def _remove_stale_locks(self) -> None:
        """Remove lock files whose pid now belongs to another program, which PostgreSQL takes for a server.

        What names a dead process is left to PostgreSQL, whose own checks are finer.
        """
        own_pid = processes.recorded_pid(self.data_dir / "postmaster.pid")
        if own_pid and processes.is_alive(own_pid):
            (self.data_dir / "postmaster.pid").unlink()
        socket_lock = self.socket_dir / f".s.PGSQL.{self.socket_port}.lock"
        other_pid = processes.recorded_pid(socket_lock)
        if other_pid and processes.is_alive(other_pid):
            if processes.works_in(other_pid, processes.recorded_data_dir(socket_lock)):
                raise ClusterError(f"Another server (process {other_pid}) already listens in {self.socket_dir}.")
            socket_lock.unlink()

    def _rotate_log(self) -> None:
        if self.log_file.is_file() and self.log_file.stat().st_size > LARGEST_LOG_BYTES:
            self.log_file.rename(self.log_file.with_suffix(".log.old"))


def _copy(template: Path, directory: Path) -> None:
    """Copy a data directory with cp, which takes a tenth of Python's time for its two thousand small files."""
    copied = _run(["cp", "-a", "--reflink=auto", "--", f"{template}/.", str(directory)], timeout_seconds=300)
    if copied.returncode != 0:
        raise ClusterError(f"{template} could not be copied: {copied.stderr.strip()}")


def _run(
    command: list[str], timeout_seconds: float, *, standard_input: str = "", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program with a small environment: nothing of the caller's PG* variables reaches it."""
    small = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "HOME": "/nonexistent"}
    environment = small | dict(variables or {})
    try:
        return subprocess.run(
            command,
            input=standard_input,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{Path(command[0]).name} took longer than {timeout_seconds} s.") from error


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
