"""Counting rows of another table beside a row, without a join."""

from __future__ import annotations

from typing import Any

from django.db.models import Func, IntegerField, QuerySet, Subquery


def counted(rows: QuerySet[Any]) -> Subquery:
    """Return a subquery that counts ``rows``; COUNT as a plain function, so that Django adds no GROUP BY."""
    count = Func("pk", function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(n=count).values("n"))
