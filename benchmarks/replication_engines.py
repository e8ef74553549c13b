"""Who applies the changes in ``benchmarks.replication``: ours in two ways, a subscription made by hand, pgcopydb."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from benchmarks.accounting import ClientCost, RunningClient
from benchmarks.replication_ours import GO, READY
from benchmarks.replication_workloads import SOURCE
from benchmarks.servers import PASSWORD, BenchServer
from benchmarks.tools import CHECKOUT, environment
from migrations_app.engine.postgres import sql

NO_CLIENT = ClientCost(0, 0.0, 0.0, 0, 0)
READY_WITHIN_SECONDS = 30.0
END_WITHIN_SECONDS = 20.0


class Engine(Protocol):
    """Applies the changes of one slot to one database; the calls come in this order."""

    def prepare(self) -> None:
        """Make slot and publication: what is written after this must arrive."""

    def stand_by(self) -> None:
        """The backlog is written; do what a user has done before the changes flow."""

    def go(self, end_lsn: str) -> None:
        """Begin to apply; ``end_lsn`` is where a backlog ends in the log, empty where more is written."""

    def written(self, end_lsn: str) -> None:
        """What is written while the changes flow ends there."""

    @property
    def is_running(self) -> bool:
        """False when it will not apply any more."""

    def end(self, *, arrived: bool) -> ClientCost:
        """Stop to apply, and say what it cost this side of the servers; ``arrived``: the last row has."""


@dataclass
class _Pair:
    """The servers, and the name of the target's database, the slot and the publication."""

    name: str
    source: BenchServer
    target: BenchServer
    folder: Path

    def make_slot(self) -> None:
        """Make a slot of pgoutput and its publication."""
        with self.source.server.connected(SOURCE, read_only=False) as connection:
            name = sql.Identifier(self.name)
            connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(name))
            connection.execute(sql.SQL("CREATE PUBLICATION {} FOR ALL TABLES").format(name))
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (self.name,))


@dataclass
class Ours(_Pair):
    """A process of its own, so that its processor time and memory are its own."""

    way: ClassVar[str] = "portal"
    _client: RunningClient | None = field(default=None, init=False)

    @property
    def _running(self) -> RunningClient:
        assert self._client is not None
        return self._client

    def prepare(self) -> None:
        """See ``Engine``."""
        self.make_slot()

    def stand_by(self) -> None:
        """Start the process; what its interpreter takes to start is nobody's time."""
        log = self.folder / f"{self.name}.log"
        log.unlink(missing_ok=True)
        ports = (str(self.source.endpoint.port), str(self.target.endpoint.port))
        command = [sys.executable, "-m", "benchmarks.replication_ours", self.name, SOURCE, *ports, self.way]
        self._client = RunningClient(command, environment=os.environ | {"PYTHONPATH": str(CHECKOUT)}, log=log)
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while self._running.is_running and time.monotonic() < deadline and READY not in log.read_text():
            time.sleep(0.02)

    def go(self, end_lsn: str) -> None:
        """See ``Engine``."""
        self._running.tell(GO)

    def written(self, end_lsn: str) -> None:
        """It follows without an end."""

    @property
    def is_running(self) -> bool:
        """False when the apply broke, too."""
        return self._running.is_running

    def end(self, *, arrived: bool) -> ClientCost:
        """See ``Engine``."""
        return self._running.wait()


class OursStreaming(Ours):
    """Lets the publisher send large transactions before their end, and keeps them in files meanwhile."""

    way = "streaming"


class OursServerToServer(Ours):
    """The subscription as the portal makes it; the process only makes and removes it."""

    way = "server"


class Native(_Pair):
    """A subscription as an expert makes it by hand."""

    is_running = True

    def prepare(self) -> None:
        """See ``Engine``."""
        self.make_slot()

    def stand_by(self) -> None:
        """Nothing is needed."""

    def go(self, end_lsn: str) -> None:
        """See ``Engine``."""
        text = f"host=127.0.0.1 port={self.source.endpoint.port} user={self.source.endpoint.user} password='{PASSWORD}'"
        statement = (
            "CREATE SUBSCRIPTION bench CONNECTION {} PUBLICATION {} WITH (create_slot = false, slot_name = {}, "
            "copy_data = false, enabled = true, binary = true, streaming = parallel)"
        )
        values = (sql.Literal(f"{text} dbname={SOURCE}"), sql.Identifier(self.name), sql.Literal(self.name))
        with self.target.server.connected(self.name, read_only=False) as connection:
            connection.execute(sql.SQL(statement).format(*values))

    def written(self, end_lsn: str) -> None:
        """It follows without an end."""

    def end(self, *, arrived: bool) -> ClientCost:
        """See ``Engine``."""
        with self.target.server.connected(self.name, read_only=False) as connection:
            connection.execute("ALTER SUBSCRIPTION bench DISABLE")
            connection.execute("ALTER SUBSCRIPTION bench SET (slot_name = NONE)")
            connection.execute("DROP SUBSCRIPTION bench")
        return NO_CLIENT


@dataclass
class Pgcopydb(_Pair):
    """``pgcopydb follow`` as its manual wants it: snapshot, stream setup, sentinel set apply, follow up to an end.

    https://pgcopydb.readthedocs.io/en/latest/ref/pgcopydb_clone.html, Change Data Capture Example 2
    """

    program: str
    plugin: str
    _client: RunningClient | None = field(default=None, init=False)

    @property
    def _log(self) -> Path:
        return self.folder / "pgcopydb-follow.log"

    def _command(self, *words: str, with_target: bool = True, with_slot: bool = True) -> list[str]:
        command = [self.program, *words, "--source", self.source.url(SOURCE), "--dir", str(self.folder / "pgcopydb")]
        if with_target:
            command += ["--target", self.target.url(self.name), "--origin", self.name]
        return [*command, "--slot-name", self.name, "--plugin", self.plugin] if with_slot else command

    def _log_of(self, command: list[str]) -> None:
        """Run a command to its end, and keep what it says."""
        with self._log.open("ab") as log:
            subprocess.run(command, env=environment(), stdout=log, stderr=log, check=True)

    def prepare(self) -> None:
        """Make the slot, which a snapshot holds until the setup is done, and the origin on the target."""
        shutil.rmtree(self.folder / "pgcopydb", ignore_errors=True)
        with self.target.server.connected(read_only=False) as connection:
            known = "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = %s"
            connection.execute(known, (self.name,))
        snapshot = self._command("snapshot", "--follow", with_target=False)
        with (
            self._log.open("ab") as log,
            subprocess.Popen(snapshot, env=environment(), stdout=subprocess.PIPE, stderr=log) as holding,
        ):
            assert holding.stdout is not None
            holding.stdout.readline()
            self._log_of(self._command("stream", "setup"))
            holding.terminate()

    def stand_by(self) -> None:
        """Allow it to apply."""
        self._log_of(self._command("stream", "sentinel", "set", "apply", with_target=False, with_slot=False))

    def go(self, end_lsn: str) -> None:
        """See ``Engine``."""
        command = [*self._command("follow"), "--resume", "--not-consistent"]
        command += ["--endpos", end_lsn] if end_lsn else []
        self._client = RunningClient(command, environment=environment(), log=self._log)

    def written(self, end_lsn: str) -> None:
        """See ``Engine``."""
        command = self._command("stream", "sentinel", "set", "endpos", with_target=False, with_slot=False)
        self._log_of([*command, end_lsn])

    @property
    def is_running(self) -> bool:
        """False when it reached its end, or failed."""
        return self._client is not None and self._client.is_running

    def end(self, *, arrived: bool) -> ClientCost:
        """See ``Engine``."""
        assert self._client is not None
        deadline = time.monotonic() + END_WITHIN_SECONDS
        while arrived and self._client.is_running and time.monotonic() < deadline:
            time.sleep(0.05)  # it knows its end, and may do more before
        self._client.terminate(patience_seconds=END_WITHIN_SECONDS)
        return self._client.wait()


OURS = {"ours": Ours, "ours-streaming": OursStreaming, "ours-server": OursServerToServer, "native": Native}
LABELS = {
    "ours": "ours, through the portal",
    "ours-streaming": "ours, through the portal, streaming",
    "ours-server": "ours, server to server",
    "native": "subscription made by hand",
    "pgcopydb": "pgcopydb follow",
}
DEFAULT = ("ours", "ours-server", "native", "pgcopydb")


def make_engine(
    name: str, *, source: BenchServer, target: BenchServer, folder: Path, program: str, plugin: str
) -> Engine:
    """Return an engine for one backlog; ``program`` and ``plugin`` are pgcopydb's."""
    own = "bench_" + name.replace("-", "_")
    if name == "pgcopydb":
        return Pgcopydb(own, source, target, folder, program=program, plugin=plugin)
    return OURS[name](own, source, target, folder)
