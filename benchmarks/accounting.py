"""What a run cost: CPU of the client, the source and the target, peak memory of the client, from /proc."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class ClientCost:
    """What the client's processes used, and how the first of them ended."""

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    peak_processes: int


def server_cpu_seconds(postmaster_pid: int) -> float:
    """CPU of a server since its start: the postmaster, its living children, and those it has reaped."""
    postmaster = psutil.Process(postmaster_pid)
    living = 0.0
    for child in postmaster.children(recursive=True):
        try:
            living += _own_ticks(child.pid)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended just now; the postmaster's own count has it
    return (living + _own_ticks(postmaster_pid) + _reaped_ticks(postmaster_pid)) / TICKS_PER_SECOND


def run_client(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> ClientCost:
    """Run a command to its end with its output in ``log``, and say what it and its children used."""
    with log.open("ab") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        sampler = _MemorySampler(process.pid)
        sampler.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            raise
        wall_seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    sampler.ended.set()
    sampler.join()
    return ClientCost(
        process.returncode, wall_seconds, usage.ru_utime + usage.ru_stime, sampler.peak_bytes, sampler.peak_processes
    )


class _MemorySampler(threading.Thread):
    """Looks four times a second at the proportional memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.ended = threading.Event()
        self.peak_bytes = 0
        self.peak_processes = 0

    def run(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            sizes = [size for size in map(_proportional_bytes, _tree(self.pid)) if size]
            self.peak_bytes = max(self.peak_bytes, sum(sizes))
            self.peak_processes = max(self.peak_processes, len(sizes))


def _tree(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _proportional_bytes(pid: int) -> int:
    """PSS, so that pages shared by forked processes count once in all."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _fields(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; the command's name may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _own_ticks(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[11]) + int(fields[12])


def _reaped_ticks(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[13]) + int(fields[14])
