"""What of the target sleeps until the migration ends, as it will be then: the comparison takes it for awake."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from migrations_app.engine.postgres import Connection
from migrations_app.engine.target.event_triggers import read_asleep
from migrations_app.engine.target.guards import ROW_SECURITY, WITHHELD, Guard, read_guards

Sleepers = Mapping[tuple[str, str, str], Any]  # class and name of an object, and a property, with its value to be


def read_sleepers(target: Connection) -> Sleepers:
    """Return what our notes will change: event triggers, triggers, rules, forced row security, grants."""
    found: dict[tuple[str, str, str], Any] = {
        ("event trigger", name, "enabled"): state for name, state in read_asleep(target).items()
    }
    return found | sleepers_of(read_guards(target))


def sleepers_of(guards: Iterable[Guard]) -> dict[tuple[str, str, str], Any]:
    """Return triggers, rules, forced row security and grants as they will be when they wake."""
    found: dict[tuple[str, str, str], Any] = {}
    for guard in guards:
        table = f"{guard.schema}.{guard.table}"
        if guard.kind == ROW_SECURITY:
            found["table definition", table, "forced row security"] = True
        elif guard.kind == WITHHELD:
            found["table definition", table, "grants"] = json.loads(guard.state)["grants"]
        else:
            found[guard.kind, f"{table}.{guard.name}", "enabled"] = guard.state
    return found
