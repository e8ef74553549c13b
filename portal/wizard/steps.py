"""The steps of the wizard: their order, what was chosen on each, and how far a draft is."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from migrations_app.models import Migration, MigrationDatabase, SourceType
from migrations_app.services.drafts import DRAFT_STEPS
from migrations_app.services.offered_databases import consent_missing, stored_offer
from portal.templatetags.portal_format import bytes_in_words

TITLES = {
    "setup": "Setup",
    "source": "Source server",
    "target": "Target server",
    "databases": "Databases",
    "options": "Options",
    "review": "Review",
}


# The migration's own page counts what moves, which is less; both say so.
WHAT_IS_COUNTED = (
    "Counted here: every table, partitioned ones too, and size on the source's disk with indexes. "
    "The migration's page counts tables with rows of their own, and their size without indexes."
)


@dataclass(frozen=True)
class RailStep:
    """A step as the rail shows it; ``state`` is done, current or todo."""

    key: str
    title: str
    state: str
    note: str = ""
    url: str = ""


def rail(migration: Migration | None, *, current: str) -> list[RailStep]:
    """Return the steps; a draft that does not exist yet has no links."""
    return [_rail_step(key, migration=migration, current=current) for key in DRAFT_STEPS]


def _rail_step(key: str, *, migration: Migration | None, current: str) -> RailStep:
    if migration is None:
        return RailStep(key, TITLES[key], "current" if key == current else "todo")
    state = "current" if key == current else "done" if is_complete(migration, key) else "todo"
    return RailStep(key, TITLES[key], state, note=note_of(migration, key), url=url_of(migration, key))


def url_of(migration: Migration, step: str) -> str:
    """Return the address of a step."""
    return reverse("wizard", args=[migration.pk, step])


def next_step(step: str) -> str:
    """Return the step after ``step``; review is its own end."""
    return DRAFT_STEPS[min(DRAFT_STEPS.index(step) + 1, len(DRAFT_STEPS) - 1)]


def previous_step(step: str) -> str:
    """Return the step before ``step``, or an empty string."""
    position = DRAFT_STEPS.index(step)
    return DRAFT_STEPS[position - 1] if position else ""


def is_complete(migration: Migration, step: str) -> bool:
    """Tell whether a step holds what the start needs."""
    if step == "source":
        return migration.source.tested_at is not None
    if step == "target":
        return migration.target.tested_at is not None
    if step == "databases":
        rows = chosen(migration)
        return bool(rows) and stored_offer(migration) is not None and not consent_missing(migration, chosen=rows)
    if step == "options":
        return migration.draft_step == "review"
    return step == "setup"


def first_incomplete(migration: Migration, *, before: str) -> str:
    """Return the first step before ``before`` that is not complete, or an empty string."""
    for step in DRAFT_STEPS[: DRAFT_STEPS.index(before)]:
        if not is_complete(migration, step):
            return step
    return ""


def chosen(migration: Migration) -> list[MigrationDatabase]:
    """Return the chosen databases, read once per request."""
    if not hasattr(migration, "_chosen_databases"):
        migration._chosen_databases = list(migration.databases.all())  # type: ignore[attr-defined]
    rows: list[MigrationDatabase] = migration._chosen_databases  # type: ignore[attr-defined]
    return rows


def note_of(migration: Migration, step: str) -> str:
    """Say in a few words what was chosen on a step."""
    if step == "setup":
        return f"{SourceType(migration.source_type).label} · {migration.mode.lower()}"
    if step in ("source", "target"):
        row = getattr(migration, step)
        tested = "" if row.tested_at or not row.host else " · not tested"
        return f"{row.host}:{row.port}{tested}" if row.host else ""
    if step == "databases":
        return databases_note(chosen(migration))
    if step == "options" and is_complete(migration, "options"):
        return f"{migration.jobs} at once · verification {migration.verification}"
    return ""


def databases_note(rows: list[MigrationDatabase]) -> str:
    """Return ``3 databases · 12.4 GiB``, or an empty string."""
    if not rows:
        return ""
    count = f"{len(rows)} database{'s' if len(rows) > 1 else ''}"
    return f"{count} · {bytes_in_words(sum(moving_bytes(row) for row in rows))}"


def moving_bytes(row: MigrationDatabase) -> int:
    """Return how many bytes of a database move, after tables were left out."""
    remaining = row.facts.get("remaining_bytes") if row.selection else None
    return int(remaining if remaining is not None else row.facts.get("size_bytes") or 0)


def moving_tables(row: MigrationDatabase) -> int:
    """Return how many tables of a database move."""
    remaining = row.facts.get("remaining_tables") if row.selection else None
    return int(remaining if remaining is not None else row.facts.get("table_count") or 0)
