"""Medians and ratios of the runs, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

MIB = 1024 * 1024


@dataclass(frozen=True)
class Result:
    """One run of one tool; ``problems`` is empty when the target equals the source."""

    tool: str
    label: str
    round_number: int
    wall_seconds: float
    client_cpu_seconds: float
    source_cpu_seconds: float
    target_cpu_seconds: float
    peak_memory_bytes: int
    wal_bytes: int
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The run as JSON can hold it."""
        return asdict(self)


def print_table(results: Sequence[Result], *, console: Console, title: str) -> None:
    """Print one row a tool, in the order of their medians; ``ours ÷`` compares the median walls."""
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("tool", no_wrap=True)
    for heading in ("runs", "wall s", "ours ÷", "client", "source", "target", "CPU s", "peak MiB", "WAL MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("arrived", no_wrap=True)
    ours = [each.wall_seconds for each in results if each.tool == "ours"]
    for tool in sorted({each.tool for each in results}, key=lambda name: _median(results, name, "wall_seconds")):
        table.add_row(*_row(results, tool, ours_wall_seconds=median(ours) if ours else None))
    console.print(table)


def _row(results: Sequence[Result], tool: str, *, ours_wall_seconds: float | None) -> list[str]:
    runs = [each for each in results if each.tool == tool]
    wall = _median(results, tool, "wall_seconds")
    sides = [_median(results, tool, f"{side}_cpu_seconds") for side in ("client", "source", "target")]
    return [
        runs[0].label,
        str(len(runs)),
        f"{wall:.1f} ({min(r.wall_seconds for r in runs):.0f}–{max(r.wall_seconds for r in runs):.0f})",
        f"{ours_wall_seconds / wall:.2f}" if ours_wall_seconds else "–",
        *(f"{side:.1f}" for side in sides),
        f"{sum(sides):.1f}",
        f"{_median(results, tool, 'peak_memory_bytes') / MIB:.0f}",
        f"{_median(results, tool, 'wal_bytes') / MIB:.0f}",
        "equal" if not any(run.problems for run in runs) else "NOT EQUAL",
    ]


def _median(results: Sequence[Result], tool: str, name: str) -> float:
    return float(median(getattr(each, name) for each in results if each.tool == tool))
