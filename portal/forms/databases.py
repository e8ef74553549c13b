"""The databases step: which databases move, under which names, and the consent to overwrite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from migrations_app.engine.spec import MigrationOption
from migrations_app.models import Migration, MigrationDatabase
from migrations_app.services.drafts import DatabaseChoice
from migrations_app.services.offered_databases import Offer, is_same_server

NAME_MAX_BYTES = 63
TEMPLATES = ("template0", "template1")


@dataclass
class Row:
    """One database of the source, as the table shows it and as the person filled it in."""

    number: int
    name: str
    facts: dict[str, Any]
    chosen: bool = False
    target_name: str = ""
    consent: str = ""
    on_target: dict[str, Any] | None = None
    stored: MigrationDatabase | None = None
    gone: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def extensions(self) -> list[str]:
        """Extensions with their versions; plpgsql is everywhere and says nothing."""
        return [name for name in self.facts.get("extensions") or [] if not name.startswith("plpgsql ")]

    @property
    def moving_bytes(self) -> int:
        """What moves: all of it, or what remains after tables were left out."""
        if self.stored and self.stored.selection:
            return int(self.stored.facts.get("remaining_bytes", 0))
        return int(self.facts.get("size_bytes") or 0)

    @property
    def can_move(self) -> bool:
        """A database that this user cannot open cannot move."""
        return self.facts.get("table_count") is not None or not self.facts.get("problem")


class DatabasesForm:
    """All databases of the source; bound when ``data`` is given. ``also`` is chosen besides what was ticked.

    Field names: ``chosen`` (the source's database names), ``target-<number>``, ``consent-<number>`` and, so that a
    list that was read anew meanwhile does not shift them, ``name-<number>``.
    """

    def __init__(self, migration: Migration, *, offer: Offer, data: QueryDict | None = None, also: str = "") -> None:
        self.migration = migration
        self.offer = offer
        self.data = data
        self.also = also
        self.problems: list[str] = []
        self._ticked = frozenset(data.getlist("chosen") if data is not None else ())
        self.rows = self._rows()

    @property
    def needs_consent(self) -> bool:
        """Validation alone changes nothing on the target."""
        return self.migration.option != MigrationOption.VALIDATE

    def _rows(self) -> list[Row]:
        stored = {row.source_name: row for row in self.migration.databases.all()}
        names = sorted(self.offer.source, key=str.casefold)
        gone = [name for name in stored if name not in self.offer.source]
        rows = [self._row(number, name, stored.get(name)) for number, name in enumerate([*names, *gone])]
        for row in rows:
            row.on_target = self.offer.target.get(row.target_name)
        return rows

    def _row(self, number: int, name: str, stored: MigrationDatabase | None) -> Row:
        facts = self.offer.source.get(name) or (stored.facts if stored else {})
        row = Row(number, name, facts, stored=stored, gone=name not in self.offer.source)
        if self.data is not None:
            self._fill_from_post(row, data=self.data)
        else:
            row.chosen = stored is not None
            row.target_name = stored.target_name if stored else name
            row.consent = stored.target_name if stored and stored.overwrite else ""
        return row

    def _fill_from_post(self, row: Row, *, data: QueryDict) -> None:
        row.chosen = row.name in self._ticked or row.name == self.also
        posted = self._posted_number(row.name, data=data)
        row.target_name = data.get(f"target-{posted}", "").strip() or row.name
        row.consent = data.get(f"consent-{posted}", "").strip()

    def _posted_number(self, name: str, *, data: QueryDict) -> str:
        if not hasattr(self, "_numbers"):
            keys = [key for key in data if key.startswith("name-")]
            self._numbers = {data[key]: key.removeprefix("name-") for key in keys}
        return self._numbers.get(name, "")

    def is_valid(self, *, consent: bool = True) -> bool:
        """Check what was chosen; each problem stands beside its database. Consent may still be missing on the way."""
        chosen = [row for row in self.rows if row.chosen]
        if not chosen:
            self.problems.append("Choose at least one database.")
        twice = {name for name, count in Counter(row.target_name for row in chosen).items() if count > 1}
        same_server = is_same_server(self.migration)
        for row in chosen:
            row.problems = list(self._problems(row, twice=twice, same_server=same_server))
            if consent and self.needs_consent and not row.problems:
                row.problems = list(self._consent_problems(row))
        return not self.problems and not any(row.problems for row in chosen)

    def _problems(self, row: Row, *, twice: set[str], same_server: bool) -> Iterable[str]:
        if row.gone:
            yield f"{row.name} is not on the source any more. Take it out."
        elif not row.can_move:
            yield row.facts["problem"]
        if len(row.target_name.encode()) > NAME_MAX_BYTES:
            yield f"The name on the target is longer than {NAME_MAX_BYTES} bytes."
        if row.target_name in twice:
            yield f"Two databases would be named {row.target_name} on the target. Rename one."
        if row.target_name in TEMPLATES:
            yield f"{row.target_name} belongs to PostgreSQL. Choose another name."
        if same_server and row.target_name == row.name:
            yield "Source and target are the same server: choose another name on the target."

    def _consent_problems(self, row: Row) -> Iterable[str]:
        if row.target_name == self.migration.target.maintenance_database and row.on_target is not None:
            yield (
                f"{row.target_name} is the target's maintenance database, which the portal logs in to; it cannot be "
                "overwritten. Choose another name, or another maintenance database on the target step."
            )
        elif row.on_target is not None and row.consent != row.target_name:
            yield f"{row.target_name} exists on the target. Type its name to agree that it is overwritten, or rename."

    def choices(self) -> list[DatabaseChoice]:
        """Return what was chosen, as the services take it."""
        return [
            DatabaseChoice(
                source_name=row.name,
                target_name=row.target_name,
                overwrite=self.needs_consent and row.on_target is not None and row.consent == row.target_name,
                facts=(row.stored.facts if row.stored else {}) | row.facts,
            )
            for row in self.rows
            if row.chosen
        ]
