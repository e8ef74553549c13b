"""The report of a migration: to print, and to download."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET

from migrations_app.engine.events import CheckResult
from migrations_app.models import Migration
from migrations_app.selectors.verification import DATA_CLASSES, sums_up
from migrations_app.services.reports import report_for
from portal.access import get_migration_for

TIMES = ("generated_at", "created_at", "started_at", "ended_at", "found_at", "accepted_at", "verified_at", "at")


@require_GET
def html(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Show the report as a page made for printing."""
    context = _context(get_migration_for(request, pk), with_identical=False)
    return render(request, "reports/report.html", context)


@require_GET
def file(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Download the report as one HTML file that needs nothing else."""
    migration = get_migration_for(request, pk)
    style = finders.find("css/report.css")
    context = _context(migration, with_identical=True) | {"style": Path(str(style)).read_text(encoding="utf-8")}
    response = render(request, "reports/file.html", context)
    response["Content-Disposition"] = f'attachment; filename="{migration.name}-report.html"'
    response["Cache-Control"] = "no-store"
    return response


@require_GET
def download(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Download the report as JSON; ``services.reports`` describes its shape."""
    migration = get_migration_for(request, pk)
    text = json.dumps(report_for(migration), indent=2, ensure_ascii=False)
    name = f"{migration.name}-report.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(text + "\n", content_type="application/json; charset=utf-8", headers=headers)


def _context(migration: Migration, *, with_identical: bool) -> dict[str, Any]:
    """The page lists what is not proved and counts the rest; the file lists everything."""
    report = _with_times(report_for(migration))
    databases = [{**database, "classes": _classes(database["objects"])} for database in report["databases"]]
    return {"migration": migration, "report": report, "databases": databases, "with_identical": with_identical}


def _classes(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Objects by class: what is not proved first, then rows and sequences, at the end all identical definitions."""
    by_class = sorted(objects, key=lambda row: str(row["object_class"]))
    classes = [_class(name, list(rows)) for name, rows in groupby(by_class, key=lambda row: str(row["object_class"]))]
    summed_up = [row for row in classes if row["is_summed_up"]]
    listed = [row for row in classes if not row["is_summed_up"]]
    listed.sort(
        key=lambda row: (row["open"] == 0, row["name"] not in DATA_CLASSES, row["name"] != "table", row["name"])
    )
    definitions = _class("definitions", [row for found in summed_up for row in found["objects"]])
    return [*listed, definitions] if summed_up else listed


def _class(name: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
    unproved = sum(row["result"] != CheckResult.IDENTICAL for row in objects)
    is_summed_up = len(objects) == 1 and unproved == 0 and sums_up(str(objects[0]["name"]))
    identical = len(objects) - unproved
    return {"name": name, "objects": objects, "open": unproved, "identical": identical, "is_summed_up": is_summed_up}


def _with_times(value: Any, key: str = "") -> Any:
    """The report with its times as datetimes, for a template to write in the viewer's zone."""
    if isinstance(value, dict):
        return {name: _with_times(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_times(inner) for inner in value]
    return parse_datetime(value) if key in TIMES and isinstance(value, str) else value
