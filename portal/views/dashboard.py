"""The lead's page: all migrations, what waits for whom, how far, how fast."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from migrations_app.models import SourceType, State
from migrations_app.models.migration import MODE_CHOICES
from migrations_app.selectors.dashboard import (
    Show,
    WaitingCard,
    dashboard_pulse,
    numbers,
    waiting_cards,
)
from migrations_app.selectors.migration_list import (
    ListFilter,
    MigrationRow,
    changed_rows,
    migration_page_of_list,
    people,
)
from portal.access import Permission, needs
from portal.http import fragment
from portal.polling import clock_token, workers_context, workers_of

TEXT_MAX = 100
ROWS_MAX = 200
SHOW_WORDS = {
    Show.RUNNING: "running now",
    Show.WAITING: "waiting for a person",
    Show.FINISHED: "finished in the last 7 days",
    Show.MOVED: "that moved data in the last 7 days",
    Show.LONGEST: "running now, the longest first",
    Show.LAG: "that are followed, the longest lag first",
}


@needs(Permission.VIEW)
def index(request: HttpRequest) -> HttpResponseBase:
    """Show the numbers, what waits for a person, and one page of the list."""
    marks = _marks(request)
    only = list_filter(request.GET)
    page = migration_page_of_list(only, page=request.GET.get("page", "1"))
    counted, cards = numbers(), waiting_cards()
    context = {
        "numbers": counted,
        "cards": cards,
        "page": page,
        "only": only,
        "show_words": SHOW_WORDS.get(only.show) if only.show else "",
        "query": urlencode({key: value for key, value in request.GET.items() if key != "page"}),
        "choices": _choices(only),
        "poll_query": _poll_query(marks, seen=_seen(list(page.object_list)), cards=cards, known=counted.total),
    }
    return render(request, "dashboard/index.html", context)


@needs(Permission.VIEW)
def live(request: HttpRequest) -> HttpResponseBase:
    """Answer the poll: 204 when nothing changed, else the numbers and the rows that did."""
    marks = _marks(request)
    if all(request.GET.get(name) == mark for name, mark in marks.items()):
        return HttpResponse(status=204)
    seen = _parse_seen(request.GET.get("rows", ""))
    changed = changed_rows(seen, with_running=request.GET.get("t") != marks["t"])
    counted, cards = numbers(), waiting_cards()
    known = _whole_number(request.GET.get("known", ""), default=counted.total)
    if (known == 0) != (counted.total == 0):
        return HttpResponse(headers={"HX-Refresh": "true"})  # the empty page has none of the list's parts
    seen |= _seen(changed)
    context = {
        "numbers": counted,
        "rows": changed,
        "cards": cards,
        "cards_changed": request.GET.get("cards") != _cards_token(cards),
        "new_migrations": max(counted.total - known, 0),
        "poll_query": _poll_query(marks, seen=seen, cards=cards, known=known),
    }
    context |= workers_context(request, known=request.GET.get("w", ""))
    return fragment(request, "dashboard/index.html#live", context)


def _marks(request: HttpRequest) -> dict[str, str]:
    """What a poll compares: the rows, the clock while something runs, and whether workers answer (two queries)."""
    pulse = dashboard_pulse()
    return {"v": pulse.token, "t": clock_token() if pulse.is_running else "", "w": workers_of(request).token}


def list_filter(query: Mapping[str, str]) -> ListFilter:
    """Read the filter from the address; words that mean nothing are left out."""
    show = query.get("show", "")
    return ListFilter(
        show=Show(show) if show in list(Show) else None,
        state=_one_of(query.get("state", ""), State.values),
        mode=_one_of(query.get("mode", ""), [value for value, _ in MODE_CHOICES]),
        source_type=_one_of(query.get("source", ""), SourceType.values),
        who=query.get("who", "")[:150].replace("\x00", ""),
        text=query.get("q", "").strip()[:TEXT_MAX].replace("\x00", ""),
    )


def _one_of(word: str, allowed: Sequence[str]) -> str:
    return word if word in allowed else ""


def _whole_number(word: str, *, default: int) -> int:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else default


def _choices(only: ListFilter) -> list[dict[str, Any]]:
    """The select boxes of the filter, each with its options."""
    boxes: list[tuple[str, str, str, list[tuple[str, str]]]] = [
        ("state", "State", only.state, [(str(value), str(label)) for value, label in State.choices]),
        ("mode", "Mode", only.mode, [(str(value), str(label)) for value, label in MODE_CHOICES]),
        ("source", "Source", only.source_type, [(str(value), str(label)) for value, label in SourceType.choices]),
        ("who", "Made by", only.who, [(name, name) for name in people()]),
    ]
    return [
        {"name": name, "label": label, "chosen": chosen, "options": options} for name, label, chosen, options in boxes
    ]


def _poll_query(marks: Mapping[str, str], *, seen: Mapping[UUID, int], cards: Sequence[WaitingCard], known: int) -> str:
    rows = ",".join(f"{pk.hex}:{revision}" for pk, revision in seen.items())
    return urlencode({**marks, "rows": rows, "cards": _cards_token(cards), "known": known}, safe=":,")


def _seen(rows: Sequence[MigrationRow]) -> dict[UUID, int]:
    return {row.migration.pk: row.migration.revision for row in rows}


def _parse_seen(text: str) -> dict[UUID, int]:
    """Read ``hex:revision,…``; anything else is ignored, it only decides which rows are sent again."""
    seen = {}
    for pair in text.split(",")[:ROWS_MAX]:
        pk, _, revision = pair.partition(":")
        if len(pk) == 32 and revision.isascii() and revision.isdigit():
            try:
                seen[UUID(hex=pk)] = int(revision)
            except ValueError:
                continue
    return seen


def _cards_token(cards: Sequence[WaitingCard]) -> str:
    words = "|".join(f"{card.migration.pk}{card.reason}{card.detail}" for card in cards)
    return hashlib.sha256(words.encode()).hexdigest()[:12]
