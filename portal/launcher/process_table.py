"""Which processes the launcher started, on disk: for ``status``, and for the next start after a crash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from portal.launcher.process_tree import Launched
from portal.places import Places


@dataclass(frozen=True)
class Entry:
    """One service: its process, when it was started (seconds since 1970) and how often it was restarted."""

    name: str
    pid: int
    mark: str
    started_at: float
    restarts: int

    @property
    def process(self) -> Launched:
        """Return the process."""
        return Launched(self.pid, self.mark)


@dataclass(frozen=True)
class Table:
    """All services and how far the start has come."""

    phase: str = ""
    entries: tuple[Entry, ...] = ()


READY = "ready"


def write_table(places: Places, table: Table) -> None:
    """Replace the table in one step."""
    partial = _file(places).with_suffix(".partial")
    partial.write_text(json.dumps(asdict(table), indent=1), encoding="ascii")
    partial.rename(_file(places))


def read_table(places: Places) -> Table:
    """Return the table; an empty one if there is none."""
    try:
        read = json.loads(_file(places).read_text(encoding="ascii"))
        return Table(read["phase"], tuple(Entry(**entry) for entry in read["entries"]))
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return Table()


def kill_recorded(places: Places) -> list[str]:
    """Kill what an earlier launcher left behind; returns the names of the services that still had processes."""
    return [entry.name for entry in read_table(places).entries if entry.process.kill_tree()]


def _file(places: Places) -> Path:
    return places.run_dir / "processes.json"
