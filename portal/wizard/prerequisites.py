"""What a server needs before it can take part, and what of it is done already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from migrations_app.engine.providers import PROVIDERS, Prerequisite, Provider, provider_by_key
from migrations_app.engine.providers.azure import AZURE_FLEXIBLE
from migrations_app.engine.providers.comparison import effective
from migrations_app.engine.providers.modes import CHOOSE_OFFLINE, why_offline_only
from migrations_app.engine.providers.prerequisites import prerequisites_of
from migrations_app.engine.providers.provider import Done
from migrations_app.engine.providers.readiness import answer_to, observed_in
from migrations_app.engine.providers.self_hosted import OTHER
from migrations_app.engine.spec import MigrationMode, Side
from migrations_app.models import Migration, MigrationEndpoint


@dataclass(frozen=True)
class Shown:
    """A prerequisite with its answer: ``done`` is empty before a server was looked at."""

    prerequisite: Prerequisite
    done: str
    saw: str


@dataclass(frozen=True)
class Group:
    """The prerequisites of one provider."""

    provider: Provider
    items: tuple[Shown, ...]

    @property
    def counts(self) -> str:
        """``5 done, 1 not done, 3 cannot be seen from here``, or how many there are before a look."""
        if not any(item.done for item in self.items):
            return f"{len(self.items)} things to see to"
        counted = Counter(item.done for item in self.items)
        words = {Done.DONE: "done", Done.NOT_DONE: "not done", Done.CANNOT_BE_SEEN: "cannot be seen from here"}
        return ", ".join(f"{counted[done]} {text}" for done, text in words.items() if counted[done])

    @property
    def is_open(self) -> bool:
        """Something is known to be missing."""
        return any(item.done == Done.NOT_DONE for item in self.items)


def prerequisite_groups(migration: Migration, *, side: Side) -> list[Group]:
    """Return what the source or target needs: of one provider, or of the likely ones while nobody knows which."""
    return [_group(migration, side=side, provider=provider) for provider in _providers(migration, side=side)]


def why_not_online(migration: Migration) -> str:
    """Return why the chosen kind of source cannot be migrated online, or an empty string."""
    why = why_offline_only(migration.source_type) if migration.mode == MigrationMode.ONLINE else ""
    return why and f"{why} {CHOOSE_OFFLINE}"


def _providers(migration: Migration, *, side: Side) -> Iterator[Provider]:
    row: MigrationEndpoint = getattr(migration, side.value)
    detected = provider_by_key(row.facts.get("provider", "")) if row.tested_at and row.facts else None
    if side is Side.SOURCE:
        yield effective(provider_by_key(migration.source_type), detected)
        return
    known = detected or next((each for each in PROVIDERS if row.host and each.recognizes_host(row.host)), None)
    yield from (known,) if known else (AZURE_FLEXIBLE, OTHER)


def _group(migration: Migration, *, side: Side, provider: Provider) -> Group:
    row: MigrationEndpoint = getattr(migration, side.value)
    online = migration.mode == MigrationMode.ONLINE
    needed = prerequisites_of(provider, side=side, online=online, user=row.username, host=row.host)
    if not (row.tested_at and row.facts):
        return Group(provider, tuple(Shown(each, "", "") for each in needed))
    observed = observed_in(row.facts, provider=provider, side=side)
    answers = [(each, answer_to(each, observed)) for each in needed]
    return Group(provider, tuple(Shown(each, str(answer.done), answer.saw) for each, answer in answers))
