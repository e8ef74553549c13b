"""Compare the whole catalog: every class of objects by name, and every property of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from migrations_app.engine.control import Control
from migrations_app.engine.events import CheckResult
from migrations_app.engine.postgres import Connection, Error
from migrations_app.engine.spec import Side
from migrations_app.engine.verification.access import AccessRules
from migrations_app.engine.verification.asleep import Sleepers, read_sleepers
from migrations_app.engine.verification.catalog_objects import FILES, CatalogObject, read_objects, side_by_side
from migrations_app.engine.verification.provider_objects import is_own
from migrations_app.engine.verification.same_meaning import CannotTell, keep_event_triggers_quiet, mean_the_same
from migrations_app.engine.verification.scope import Scope
from migrations_app.engine.verification.verdicts import Verdicts

RELATIONS = frozenset({"table definition", "view", "materialized view", "foreign table"})
NOT_COMPARED = frozenset({"owner of the table", "head", "base type", "version", "may comment", "defaults"})
HIDDEN = "secret options"
NOT_VISIBLE = "not visible"
# They belong to the server: the target may have more of them than the source.
OF_THE_SERVER = frozenset({"setting of all roles", "security label of a role"})
LOCALES = frozenset({"collate", "ctype", "locale"})
NO_LIMIT = -1  # pg_database.datconnlimit
OLD_TRIGGER_WORDS = re.compile(r" EXECUTE PROCEDURE (?!.* EXECUTE )", re.DOTALL)
PLURALS = {
    "index": "indexes",
    "policy": "policies",
    "operator family": "operator families",
    "operator class": "operator classes",
    "text search dictionary": "text search dictionaries",
    "default privileges": "default privileges",
    "statistics": "statistics objects",
    "setting of all roles": "settings of all roles",
    "security label of the database": "security labels of the database",
    "security label of a role": "security labels of roles",
}


@dataclass(frozen=True)
class _Difference:
    """One property that differs, or may differ where the target could not read a text."""

    name: str
    source: Any
    target: Any
    doubt: str = ""


AsIf = Callable[[Side, CatalogObject], CatalogObject | None]


def as_it_is(side: Side, found: CatalogObject) -> CatalogObject | None:
    """Take every object of either side for what it is."""
    return found


def verify_catalog(
    source: Connection,
    target: Connection,
    *,
    scope: Scope,
    access: AccessRules,
    verdicts: Verdicts,
    control: Control,
    as_if: AsIf = as_it_is,
) -> None:
    """Report one line for each class with the number of identical objects, and one for each object that differs.

    ``target`` must be allowed to create temporary objects; they are rolled back. ``as_if`` returns what an object of
    either side is taken for, None for one that is not there. Raises psycopg errors only when a
    connection is lost.
    """
    keep_event_triggers_quiet(target)
    asleep = read_sleepers(target)
    comparison = _Comparison(target, scope=scope, access=access, verdicts=verdicts, asleep=asleep)
    oldest = min(source.info.server_version, target.info.server_version) // 10000
    for file in FILES:
        control.check()
        try:
            _compare_file(source, target, file, oldest=oldest, take=comparison.take, as_if=as_if)
            comparison.finish_class()
        except Error as error:
            control.check()
            if source.closed or target.closed:
                raise
            verdicts.could_not(file.replace("_", " "), "all", because=error)


def _compare_file(
    source: Connection,
    target: Connection,
    file: str,
    *,
    oldest: int,
    take: Callable[[CatalogObject | None, CatalogObject | None], None],
    as_if: AsIf,
) -> None:
    with (
        source.transaction(),
        target.transaction(),
        read_objects(source, file, oldest=oldest) as before,
        read_objects(target, file, oldest=oldest) as after,
    ):
        taken = _taken(before, Side.SOURCE, as_if=as_if), _taken(after, Side.TARGET, as_if=as_if)
        for one, other in side_by_side(*taken):
            take(one, other)


def _taken(objects: Iterator[CatalogObject], side: Side, *, as_if: AsIf) -> Iterator[CatalogObject]:
    return (taken for found in objects if (taken := as_if(side, found)) is not None)


class _Comparison:
    """Compares object by object, and looks again at those whose texts differ when a class is through.

    ``asleep`` is what of the target is enabled when the migration ends, as it will be then.
    """

    def __init__(
        self,
        target: Connection,
        *,
        scope: Scope,
        access: AccessRules,
        verdicts: Verdicts,
        asleep: Sleepers,
    ) -> None:
        self._target = target
        self._asleep = asleep
        self._scope = scope
        self._access = access
        self._verdicts = verdicts
        self._one_sided: set[tuple[str | None, str | None]] = set()
        self._identical: Counter[str] = Counter()
        self._differing: list[tuple[CatalogObject, CatalogObject, list[_Difference]]] = []

    def take(self, one: CatalogObject | None, other: CatalogObject | None) -> None:
        """Compare one pair; None where a side has no such object."""
        found = one or other
        if found is None or not self._is_in_scope(found):
            return
        if found.object_class in OF_THE_SERVER and (one is None or not self._access.roles_are_copied):
            return
        if one is None or other is None:
            provider = self._access.source_provider if other is None else self._access.target_provider
            if not is_own(found, provider, access=self._access):
                self._report_one_sided(found, missing=other is None)
        elif found.object_class == "extension":
            self._report_extension(one, other)
        elif differences := list(self._differences(one, other)):
            self._differing.append((one, other, differences))
        else:
            self._identical[found.object_class] += 1

    def _is_in_scope(self, found: CatalogObject) -> bool:
        if found.object_class not in RELATIONS and (found.schema, found.relation) in self._one_sided:
            return False
        if found.object_class in ("default privileges", "user mapping", "database setting"):
            return not self._access.leaves_out(found.owner) and self._scope.takes(schema=found.schema)
        return self._scope.takes(schema=found.schema, relation=found.relation)

    def _report_one_sided(self, found: CatalogObject, *, missing: bool) -> None:
        if found.object_class in RELATIONS:
            self._one_sided.add((found.schema, found.relation))
        words = _described(found)
        self._verdicts.add(
            found.object_class,
            found.name,
            CheckResult.DIFFERENT,
            source=words if missing else "none",
            target="none" if missing else words,
            detail="missing on the target" if missing else "only on the target",
        )

    def _report_extension(self, one: CatalogObject, other: CatalogObject) -> None:
        """The version is told and not compared: the target's own version of an extension is the right one."""
        differences = list(self._differences(one, other))
        self._verdicts.add(
            one.object_class,
            one.name,
            CheckResult.DIFFERENT if differences else CheckResult.IDENTICAL,
            source=f"version {one.properties['version']}",
            target=f"version {other.properties['version']}",
            detail="; ".join(f"{d.name}: {d.source} on the source, {d.target} on the target" for d in differences),
        )

    def _differences(self, one: CatalogObject, other: CatalogObject) -> Iterator[_Difference]:
        """A property that only one of the two versions knows is not compared."""
        for name in one.properties:
            if name in NOT_COMPARED or name not in other.properties:
                continue
            before, after = self._comparable(name, one, other)
            if NOT_VISIBLE in (before, after) and name == HIDDEN:
                yield _Difference(name, before, after, doubt="only a superuser or the owner may see it")
            elif before != after:
                yield _Difference(name, before, after)

    def _comparable(self, name: str, one: CatalogObject, other: CatalogObject) -> tuple[Any, Any]:
        before = one.properties[name]
        after = self._asleep.get((one.object_class, other.name, name), other.properties[name])
        if name == "comment" and other.properties.get("may comment") is False:
            return None, None  # only the owner of an extension may comment on it
        if (
            name == "owner"
            and one.object_class == "schema"
            and one.name == "public"
            and other.owner in self._access.provider_roles
        ):
            return None, None  # the target's provider keeps schema public
        if name == "owner":
            return self._access.comparable_owners(before, after)
        if name == "grants":
            return self._access.grants(before, owner=one.owner), self._access.grants(after, owner=other.owner)
        if (one.object_class, name) == ("trigger", "definition"):
            return OLD_TRIGGER_WORDS.sub(" EXECUTE FUNCTION ", before), OLD_TRIGGER_WORDS.sub(
                " EXECUTE FUNCTION ", after
            )
        if (one.object_class, name) == ("database", "template"):
            return before, before or after  # it becomes a template after this comparison: target/settings.py
        if (one.object_class, name) == ("database", "connection limit"):
            return before, before if after == NO_LIMIT else after  # likewise
        if name in LOCALES:
            return _locale(before), _locale(after)
        return before, after

    def finish_class(self) -> None:
        """Report what was collected since the last class."""
        for one, other, differences in self._differing:
            real = [real for difference in differences if (real := self._confirmed(other, difference))]
            if real:
                self._report_different(one, real)
            else:
                self._identical[one.object_class] += 1
        for object_class, count in sorted(self._identical.items()):
            self._verdicts.add(object_class, _counted(count, object_class), CheckResult.IDENTICAL)
        self._differing.clear()
        self._identical.clear()

    def _confirmed(self, other: CatalogObject, difference: _Difference) -> _Difference | None:
        """Return the difference unless both texts mean the same; with a doubt where that could not be told."""
        texts = (difference.source, difference.target)
        if difference.doubt:
            return difference
        try:
            return None if mean_the_same(self._target, other, difference.name, texts=texts) else difference
        except CannotTell as doubt:
            return _Difference(difference.name, *texts, doubt=str(doubt))

    def _report_different(self, one: CatalogObject, differences: list[_Difference]) -> None:
        certain = [difference for difference in differences if not difference.doubt]
        doubts = [difference for difference in differences if difference.doubt]
        self._verdicts.add(
            one.object_class,
            one.name,
            CheckResult.DIFFERENT if certain else CheckResult.COULD_NOT_VERIFY,
            source="\n".join(f"{d.name}: {_words(d.name, d.source)}" for d in differences),
            target="\n".join(f"{d.name}: {_words(d.name, d.target)}" for d in differences),
            detail=_detail(certain, doubts),
        )


def _detail(certain: list[_Difference], doubts: list[_Difference]) -> str:
    parts = [f"different: {', '.join(d.name for d in certain)}"] if certain else []
    parts += [f"the texts of {d.name} differ; whether they mean the same could not be told: {d.doubt}" for d in doubts]
    return "; ".join(parts)


def _locale(name: Any) -> Any:
    """Operating systems spell the same locale ``en_US.UTF-8`` and ``en_US.utf8``."""
    return re.sub(r"\.utf-?8\b", ".UTF-8", name, flags=re.IGNORECASE) if isinstance(name, str) else name


def _described(found: CatalogObject) -> str:
    """The most telling property of an object, or all that are set."""
    definition = found.properties.get("definition") or found.properties.get("condition")
    if definition:
        return str(definition)
    told = {n: v for n, v in found.properties.items() if v not in (None, False, []) and n not in NOT_COMPARED}
    return ", ".join(f"{name}: {_words(name, value)}" for name, value in told.items())


def _words(name: str, value: Any) -> str:
    if name == HIDDEN and value != NOT_VISIBLE:
        return "(hidden)" if value else "none"
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _counted(count: int, object_class: str) -> str:
    return f"{count:,} {object_class if count == 1 else PLURALS.get(object_class, object_class + 's')}"
