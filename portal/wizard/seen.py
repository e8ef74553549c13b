"""Two tabs, one draft: a form carries a mark of what it showed, and an old form may not undo newer values unseen."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from migrations_app.models import Migration, MigrationEndpoint
from migrations_app.services.drafts import CONNECTION_FIELDS

SETUP_FIELDS = ("name", "source_type", "option", "mode")
OPTION_FIELDS = (
    "jobs",
    "split_bytes",
    "roles",
    "verification",
    "on_object_error",
    "at_warnings",
    "target_free_bytes",
    "forget_passwords",
    "scheduled_at",
    "apply_engine",
    "without_identity",
    "heartbeat",
    "source_as_seen_by_target",
    "sequence_headroom",
    "cutover_seconds",
    "cutover_verification",
    "fall_back",
    "retained_wal_bytes",
    "lag_alarm_seconds",
    "room_alarm_seconds",
    "protect_source",
    "give_up_wal_bytes",
    "warn_after_days",
    "warn_cutover_days",
)
CONFLICT = (
    "This step was changed elsewhere (another tab, or a colleague) after this page was opened. "
    "Below is what you entered; saving again replaces the other values. To see those instead, reload the page."
)


def mark(values: Any) -> str:
    """Return a short mark of ``values``; equal values have equal marks."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def setup_mark(migration: Migration) -> str:
    """Return the mark of the setup step."""
    return mark([getattr(migration, name) for name in SETUP_FIELDS])


def endpoint_mark(row: MigrationEndpoint) -> str:
    """Return the mark of a server's settings; the sealed password takes part, so that a change of it is seen."""
    return mark([getattr(row, name) for name in (*CONNECTION_FIELDS, "sealed_password")])


def databases_mark(migration: Migration) -> str:
    """Return the mark of which databases are chosen under which names."""
    rows = migration.databases.values_list("source_name", "target_name", "overwrite")
    return mark([list(row) for row in rows])


def selection_mark(migration: Migration, *, database: str) -> str:
    """Return the mark of which tables of one database move."""
    row = migration.databases.filter(source_name=database).first()
    return mark(row.selection if row else {})


def options_mark(migration: Migration) -> str:
    """Return the mark of the options step."""
    return mark([getattr(migration, name) for name in OPTION_FIELDS])


def is_stale(posted: str, *, current: str) -> bool:
    """Tell whether a form that carries ``posted`` was made before the values of now."""
    return bool(posted) and posted != current
