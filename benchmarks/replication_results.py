"""Medians and ratios of ``benchmarks.replication``, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.replication_engines import LABELS
from benchmarks.replication_workloads import Workload
from benchmarks.results import MIB


@dataclass(frozen=True)
class Run:
    """One workload applied by one engine. ``applied`` is what was visible on the target after ``seconds``.

    ``ended``: the engine ended by itself before. ``lag_seconds``: from the end of the writing until everything was
    visible; None where it was written before.
    """

    engine: str
    workload: str
    seconds: float
    lag_seconds: float | None
    changes: int
    applied: int
    client_cpu_seconds: float
    source_cpu_seconds: float
    target_cpu_seconds: float
    peak_memory_bytes: int
    arrived: bool
    ended: bool
    equal: bool

    @property
    def rate(self) -> float:
        """Changes a second."""
        return self.applied / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """The run as JSON can hold it."""
        return asdict(self)


def print_table(runs: Sequence[Run], chosen: Sequence[Workload], console: Console) -> None:
    """Print one row for each workload and engine; ``÷ native`` and ``÷ pgcopydb`` compare changes a second."""
    title = "Changes applied, PostgreSQL 17 to 18; medians"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("workload", no_wrap=True)
    table.add_column("engine", no_wrap=True)
    for heading in ("s", "lag s", "changes/s", "÷ native", "÷ pgcopydb", "client", "source", "target CPU s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("peak MiB", justify="right", no_wrap=True)
    table.add_column("arrived", no_wrap=True)
    for workload in chosen:
        for engine in (name for name in LABELS if any(run.engine == name for run in runs)):
            mine = [run for run in runs if (run.engine, run.workload) == (engine, workload.name)]
            if mine:
                table.add_row(workload.label, *_row(mine, runs))
    console.print(table)


def _row(mine: Sequence[Run], runs: Sequence[Run]) -> list[str]:
    lags = [run.lag_seconds for run in mine if run.lag_seconds is not None]
    return [
        LABELS[mine[0].engine],
        f"{median(run.seconds for run in mine):.1f}",
        f"{median(lags):.1f}" if lags else "–",
        f"{median(run.rate for run in mine):,.0f}",
        *(_ratio(mine, runs, other) for other in ("native", "pgcopydb")),
        *(
            f"{median(getattr(run, f'{side}_cpu_seconds') for run in mine):.1f}"
            for side in ("client", "source", "target")
        ),
        f"{median(run.peak_memory_bytes for run in mine) / MIB:.0f}",
        _arrived(mine),
    ]


def _ratio(mine: Sequence[Run], runs: Sequence[Run], other: str) -> str:
    """Compare the medians of changes a second; an engine that has applied nothing yet has no rate."""
    theirs = [run.rate for run in runs if (run.engine, run.workload) == (other, mine[0].workload)]
    if not theirs or not median(theirs) or mine[0].engine == other:
        return "–"
    ratio = median(run.rate for run in mine) / median(theirs)
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.2f}"


def _arrived(mine: Sequence[Run]) -> str:
    if all(run.equal for run in mine):
        return "equal"
    if not all(run.arrived for run in mine):
        last = next(run for run in mine if not run.arrived)
        how = "then it ended" if last.ended else f"within {last.seconds:.0f} s"
        return f"{last.applied:,} of {last.changes:,}, {how}"
    return "NOT EQUAL"
