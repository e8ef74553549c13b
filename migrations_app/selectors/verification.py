"""Results of the comparison of source and target: identical, different, or could not verify. Three, never two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, IntegerField, Min, Q, QuerySet, Value, When

from migrations_app.engine.events import CheckResult
from migrations_app.models import VerificationResult

RESULTS_PER_PAGE = 100
RESULT_LABELS = {
    CheckResult.IDENTICAL: "Identical",
    CheckResult.DIFFERENT: "Different",
    CheckResult.COULD_NOT_VERIFY: "Could not verify",
}
DATA_CLASSES = ("table", "sequence", "large objects")
URGENCY = (CheckResult.DIFFERENT, CheckResult.COULD_NOT_VERIFY, CheckResult.IDENTICAL)


@dataclass(frozen=True)
class ClassSummary:
    """How many objects of a class (tables, sequences, functions …) had which result."""

    object_class: str
    identical: int
    different: int
    could_not_verify: int
    first_name: str = ""

    @property
    def is_summed_up(self) -> bool:
        """One comparison stands for all objects of a class, which are identical: ``390 columns``."""
        return sums_up(self.first_name) and self.identical == self.total == 1

    @property
    def is_open(self) -> bool:
        """Something of the class is not proved."""
        return self.identical < self.total

    @property
    def total(self) -> int:
        """All compared objects of the class."""
        return self.identical + self.different + self.could_not_verify


def sums_up(name: str) -> bool:
    """Tell whether the name of a comparison is a number of objects, such as ``75 constraints``."""
    return re.fullmatch(r"[\d,]+ [a-z ]+", name) is not None


def class_summaries(migration_id: UUID) -> list[ClassSummary]:
    """Return one line for each class of object, the classes with differences first (one query)."""
    rows = (
        VerificationResult.objects.filter(database__migration_id=migration_id)
        .order_by()
        .values("object_class")
        .annotate(
            identical=Count("pk", filter=Q(result=CheckResult.IDENTICAL)),
            different=Count("pk", filter=Q(result=CheckResult.DIFFERENT)),
            could_not_verify=Count("pk", filter=Q(result=CheckResult.COULD_NOT_VERIFY)),
            first_name=Min("name"),
        )
    )
    summaries = [ClassSummary(**row) for row in rows]
    return sorted(summaries, key=lambda row: (-row.different, -row.could_not_verify, -row.total, row.object_class))


def results_of(
    migration_id: UUID, *, results: Sequence[str] = (), text: str = "", object_class: str = ""
) -> QuerySet[VerificationResult]:
    """Return results, differences first; ``results`` narrows to some of the three."""
    rows = VerificationResult.objects.filter(database__migration_id=migration_id)
    if results:
        rows = rows.filter(result__in=results)
    if object_class:
        rows = rows.filter(object_class=object_class)
    if text:
        rows = rows.filter(name__icontains=text)
    urgency = Case(
        *(When(result=result, then=Value(rank)) for rank, result in enumerate(URGENCY)), output_field=IntegerField()
    )
    shown = rows.select_related("database").defer("database__facts", "database__selection", "database__step_times")
    return shown.order_by(urgency, "database__source_name", _data_first(), "object_class", "name")


def result_page(
    migration_id: UUID, *, results: Sequence[str] = (), text: str = "", object_class: str = "", page: int | str = 1
) -> Page[VerificationResult]:
    """Return one page of results (two queries)."""
    rows = results_of(migration_id, results=results, text=text, object_class=object_class)
    return Paginator(rows, RESULTS_PER_PAGE).get_page(page)


def _data_first() -> Case:
    """Rows and sequences before definitions."""
    ranks = (When(object_class=name, then=Value(rank)) for rank, name in enumerate(DATA_CLASSES))
    return Case(*ranks, default=Value(len(DATA_CLASSES)), output_field=IntegerField())
