"""The tools that are compared: each gets an empty target server and moves the database ``bench`` there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data_set import DATABASE
from benchmarks.servers import PASSWORD, TARGET_MAJOR, BenchServer
from portal.local_postgres import find

CHECKOUT = Path(__file__).resolve().parent.parent
JOBS = 2


@dataclass(frozen=True)
class Tool:
    """A way to move a database. ``steps`` are commands run one after the other; all of their time counts.

    In a command ``{source}`` and ``{target}`` are connection strings and ``{work}`` is an empty folder.
    ``creates_database``: the tool makes the target database itself; else ``createdb`` is part of its steps.
    """

    name: str
    label: str
    steps: tuple[tuple[str, ...], ...]
    creates_database: bool = False

    def commands(self, *, source: BenchServer, target: BenchServer, work: Path) -> Iterator[list[str]]:
        """The commands with everything filled in."""
        words = {
            "source": source.url(DATABASE),
            "target": target.url(DATABASE),
            "maintenance": target.url("postgres"),
            "work": str(work),
            "source_port": str(source.endpoint.port),
            "target_port": str(target.endpoint.port),
        }
        for step in self.steps:
            yield [part.format(**words) for part in step]


def ours() -> list[Tool]:
    """Our engine at its defaults, without and with its full verification."""
    ports = ("--source-port", "{source_port}", "--target-port", "{target_port}")
    base = (sys.executable, "-m", "benchmarks.ours", *ports, "--work-dir", "{work}")
    return [
        Tool("ours", "ours", ((*base, "--verification", "none"),), creates_database=True),
        Tool("ours-verified", "ours, every row verified", ((*base, "--verification", "full"),), creates_database=True),
    ]


def dump_restore() -> Tool:
    """What a person types today: a directory dump with two jobs, then a restore with two jobs."""
    return Tool(
        "pg_dump",
        f"pg_dump -Fd -j{JOBS} | pg_restore -j{JOBS}",
        (
            _program("createdb", "--maintenance-db={maintenance}", "--template=template0", DATABASE),
            _program("pg_dump", "-Fd", f"-j{JOBS}", "-f", "{work}/dump", "-d", "{source}"),
            _program("pg_restore", f"-j{JOBS}", "-d", "{target}", "{work}/dump"),
        ),
    )


def pgcopydb_tools(extra: Sequence[str] = ()) -> list[Tool]:
    """Every pgcopydb on PATH or given by path: at its defaults, with two jobs, and tuned as far as it goes."""
    found = [path for path in (shutil.which("pgcopydb"), *extra) if path]
    return [tool for path in dict.fromkeys(found) for tool in _pgcopydb(path)]


def _pgcopydb(path: str) -> list[Tool]:
    version = _pgcopydb_version(path)
    clone = (path, "clone", "--source", "{source}", "--target", "{target}", "--dir", "{work}/pgcopydb")
    createdb = _program("createdb", "--maintenance-db={maintenance}", "--template=template0", DATABASE)
    two = ("--table-jobs", str(JOBS), "--index-jobs", str(JOBS))
    name = f"pgcopydb-{version}"
    tools = [
        Tool(name, f"pgcopydb {version}, defaults", (createdb, clone)),
        Tool(f"{name}-j{JOBS}", f"pgcopydb {version}, {JOBS}+{JOBS} jobs", (createdb, (*clone, *two))),
    ]
    if "--use-copy-binary" in _output_of(path, "clone", "--help"):
        tuned = (*clone, *two, "--use-copy-binary", "--skip-vacuum")
        label = f"pgcopydb {version}, {JOBS}+{JOBS} jobs, binary, no vacuum"
        tools.append(Tool(f"{name}-tuned", label, (createdb, tuned)))
    return tools


def environment() -> dict[str, str]:
    """The environment of every tool: PostgreSQL's newest client programs first, the password, nothing of ours."""
    bin_dir = find(TARGET_MAJOR).bin_dir
    return {
        "PATH": f"{bin_dir}:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "PGPASSWORD": PASSWORD,
        "PYTHONPATH": str(CHECKOUT),
        "PGCOPYDB_LOG_LEVEL": "notice",
    }


def _program(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(find(TARGET_MAJOR).tool(name)), *arguments)


def _pgcopydb_version(path: str) -> str:
    first = next((line for line in _output_of(path, "--version").splitlines() if "pgcopydb version" in line), "")
    return first.rpartition(" ")[2].partition("-")[0] or "unknown"


def _output_of(*command: str) -> str:
    """What a program prints on both streams; pgcopydb answers ``--help`` on the second."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return done.stdout + done.stderr
