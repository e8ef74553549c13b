"""The Findings side of a migration's page: the list, and the scripts that mend what it names."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from migrations_app.engine.spec import Side
from migrations_app.selectors.findings import FindingFilter, Grouping, Shelf, finding_page
from migrations_app.selectors.fixes import fixes_file_name, fixes_script
from migrations_app.selectors.migration_page import MigrationPage
from migrations_app.services.checks import CHECKABLE
from migrations_app.services.consent import REASON_MAX, is_waiting_for_acceptance
from portal.access import Permission, get_migration_for, may, needs

TEXT_MAX = 100


def finding_filter(values: QueryDict) -> FindingFilter:
    """Read what a person wants to see from an address or a form; nonsense shows everything."""
    level, grouping = values.get("level", ""), values.get("group", "")
    return FindingFilter(
        shelf=Shelf(level) if level in list(Shelf) else None,
        text=values.get("q", "").strip().replace("\x00", "")[:TEXT_MAX],
        grouping=Grouping(grouping) if grouping in list(Grouping) else Grouping.PLACE,
    )


def findings_context(request: HttpRequest, shown: MigrationPage, *, values: QueryDict) -> dict[str, Any]:
    """The list as its template needs it; ``values`` hold filter and page."""
    only = finding_filter(values)
    may_operate = may(request.user, Permission.OPERATE)
    return {
        "found": finding_page(shown.migration.pk, only=only, page=values.get("page", "1")),
        "only": only,
        "text": only.text,
        "query": _query(only),
        "query_of_levels": _query(only, without="level"),
        "query_of_groups": _query(only, without="group"),
        "may_operate": may_operate,
        "may_check": may_operate and shown.migration.state in CHECKABLE and not shown.checks_open,
        "open_warnings": shown.counts.open_warnings,
        "waits_for_acceptance": is_waiting_for_acceptance(shown.migration),
        "reason_max": REASON_MAX,
    }


@require_GET
@needs(Permission.VIEW)
def fixes(request: HttpRequest, pk: UUID, side: str) -> HttpResponseBase:
    """Download the fixes for one server as a script for psql; ``?database=`` limits it to one."""
    migration = get_migration_for(request, pk)
    database = request.GET.get("database", "")
    if side not in list(Side) or (database and not migration.databases.filter(source_name=database[:63]).exists()):
        raise Http404("There is no such script.")
    text = fixes_script(migration, side=Side(side), database=database)
    return _script(text, name=fixes_file_name(migration, side=Side(side), database=database))


@require_GET
@needs(Permission.VIEW)
def fix(request: HttpRequest, pk: UUID, finding: int) -> HttpResponseBase:
    """Download the fix script of one finding as it is, where the list shows its beginning."""
    row = get_object_or_404(get_migration_for(request, pk).findings, pk=finding)
    return _script(f"{row.fix_sql.strip()}\n", name=f"fix-{row.code}-{row.pk}.sql")


def _script(text: str, *, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(text, content_type="application/sql; charset=utf-8", headers=headers)


def _query(only: FindingFilter, *, without: str = "") -> str:
    grouping = only.grouping.value if only.grouping is not Grouping.PLACE else ""
    values = {"tab": "findings", "level": only.shelf.value if only.shelf else "", "q": only.text, "group": grouping}
    return urlencode({key: value for key, value in values.items() if value and key != without})
