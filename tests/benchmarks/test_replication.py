"""The comparison of apply engines works: its table, and one small run of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.replication_results import Run, print_table
from benchmarks.replication_workloads import workloads

RUN = Run("ours", "inserts", 2.0, None, 1000, 1000, 1.0, 1.0, 1.0, 1024 * 1024, True, ended=False, equal=True)


def test_the_table_compares_changes_a_second_and_says_what_did_not_arrive(capsys: pytest.CaptureFixture[str]) -> None:
    rival = replace(RUN, engine="pgcopydb", seconds=45.0, applied=9, arrived=False, equal=False)
    native = replace(RUN, engine="native", seconds=1.0)
    chosen = [each for each in workloads(1) if each.name == "inserts"]
    print_table([RUN, native, rival], chosen, Console(width=200))
    ours, by_hand, other = capsys.readouterr().out.strip().splitlines()[-3:]
    assert "500 " in ours and " 0.50 " in ours and "2,500" in ours and "equal" in ours
    assert "1,000 " in by_hand
    assert "9 of 1,000, within 45 s" in other


@pytest.mark.slow
def test_a_small_comparison_runs_to_its_table(tmp_path: Path) -> None:
    out = tmp_path / "runs.json"
    which = ("--only", "inserts", "--only", "oltp-live")
    engines = ("--engine", "ours", "--engine", "ours-server", "--engine", "native")
    where = ("--folder", str(tmp_path), "--json", str(out))
    command = [sys.executable, "-m", "benchmarks.replication", "--factor", "0.01", "--rounds", "1"]
    done = subprocess.run([*command, *which, *engines, *where], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads(out.read_text())
    assert len(runs) == 6
    assert all(run["arrived"] and run["equal"] and run["applied"] == run["changes"] > 0 for run in runs), runs
