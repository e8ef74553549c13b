"""The benchmark works: its queue, its comparison, and one small run of it all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import equality
from benchmarks.accounting import run_client
from benchmarks.memory_queue import MemoryPartQueue
from migrations_app.engine.plan import PartKind, PartPlan, TablePlan


def table(name: str, *, size_bytes: int, parts: int = 1) -> TablePlan:
    return TablePlan(
        oid=1,
        schema="public",
        name=name,
        columns=("id",),
        bytes=size_bytes,
        rows_estimate=-1,
        binary=True,
        parts=tuple(PartPlan(number, PartKind.WHOLE) for number in range(parts)),
    )


def test_the_queue_hands_out_the_largest_table_first_and_each_part_once() -> None:
    queue = MemoryPartQueue()
    small, large = table("small", size_bytes=1), table("large", size_bytes=9, parts=2)
    queue.enqueue([small, large])
    queue.enqueue([small, large])
    claimed = [queue.claim() for _ in range(4)]
    assert [part.table.name if part else None for part in claimed] == ["large", "large", "small", None]


def test_a_part_that_is_released_can_be_claimed_again() -> None:
    queue = MemoryPartQueue()
    queue.enqueue([table("one", size_bytes=1)])
    first = queue.claim()
    assert first is not None
    queue.release(first.id, error="connection lost")
    again = queue.claim()
    assert again is not None
    assert (again.id, again.attempt) == (first.id, 2)


def test_a_table_is_complete_when_all_its_parts_are() -> None:
    queue, two = MemoryPartQueue(), table("two", size_bytes=1, parts=2)
    queue.enqueue([two])
    for expected in (False, True):
        part = queue.claim()
        assert part is not None
        queue.complete(part.id, rows=1, bytes=1)
        assert queue.table_is_complete(two) is expected
    queue.restart(two)
    assert not queue.table_is_complete(two)
    queue.complete_empty([two])
    assert queue.table_is_complete(two)


def test_a_difference_is_named() -> None:
    found = equality.differences({"rows": {"public.a": 2}}, {"rows": {"public.a": 1}})
    assert found == ["rows differ: only on the source ('public.a', 2), only on the target ('public.a', 1)"]


def test_the_client_is_charged_for_its_children(tmp_path: Path) -> None:
    burn = "import subprocess,sys; subprocess.run([sys.executable,'-c','for n in range(9000000): n*n'],check=True)"
    cost = run_client([sys.executable, "-c", burn], environment={}, log=tmp_path / "log")
    assert cost.exit_code == 0
    assert cost.cpu_seconds > 0.1
    assert cost.peak_memory_bytes > 1_000_000


@pytest.mark.slow
def test_a_tiny_benchmark_runs_to_its_table(tmp_path: Path) -> None:
    out = tmp_path / "runs.json"
    only = ("--only", "ours", "--only", "ours-verified", "--only", "pg_dump")
    where = ("--folder", str(tmp_path), "--json", str(out))
    command = [sys.executable, "-m", "benchmarks", "--size", "tiny", "--rounds", "1", *only, *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads(out.read_text())
    assert {run["tool"]: run["problems"] for run in runs} == {"ours": [], "ours-verified": [], "pg_dump": []}
    assert all(run["target_cpu_seconds"] > 0 for run in runs)
