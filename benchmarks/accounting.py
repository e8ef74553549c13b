"""What a run cost: CPU of the client, the source and the target, peak memory of the client, from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
    return RunningClient(command, environment=environment, log=log).wait()


class RunningClient:
    """A command that runs, with its output in ``log``; what is written to ``stdin`` reaches it."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._started_at = time.monotonic()
            self._process = subprocess.Popen(
                command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.PIPE
            )
        self._sampler = _MemorySampler(self._process.pid)
        self._sampler.start()

    @property
    def is_running(self) -> bool:
        """False once it has ended, or waits to be asked how."""
        try:
            return psutil.Process(self._process.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def tell(self, line: str) -> None:
        """Write a line to it; one that has ended hears nothing."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def terminate(self, *, patience_seconds: float) -> None:
        """Ask it to end; kill it and its children when it does not in that time."""
        if not self.is_running:
            return
        self._process.terminate()
        deadline = time.monotonic() + patience_seconds
        while self.is_running:
            if time.monotonic() > deadline:
                for pid in reversed(_tree(self._process.pid)):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def wait(self) -> ClientCost:
        """Close its input, wait for its end, and say what it and its children used."""
        try:
            if self._process.stdin is not None:
                with suppress(BrokenPipeError):
                    self._process.stdin.close()
            _, status, usage = os.wait4(self._process.pid, 0)
        except BaseException:
            self._process.terminate()
            raise
        wall_seconds = time.monotonic() - self._started_at
        self._process.returncode = os.waitstatus_to_exitcode(status)
        peak_bytes, peak_processes = self._sampler.end()
        cpu_seconds = usage.ru_utime + usage.ru_stime
        return ClientCost(self._process.returncode, wall_seconds, cpu_seconds, peak_bytes, peak_processes)


class _MemorySampler(threading.Thread):
    """Looks four times a second at the proportional memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self._ended = threading.Event()
        self.peak_bytes = 0
        self.peak_processes = 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            sizes = [size for size in map(_proportional_bytes, _tree(self.pid)) if size]
            self.peak_bytes = max(self.peak_bytes, sum(sizes))
            self.peak_processes = max(self.peak_processes, len(sizes))

    def end(self) -> tuple[int, int]:
        """Stop looking; return the most bytes and the most processes that were seen at once."""
        self._ended.set()
        self.join()
        return self.peak_bytes, self.peak_processes


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
