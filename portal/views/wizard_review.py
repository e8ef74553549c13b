"""The review step: everything in words, and the start."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from migrations_app.engine.errors import EngineError
from migrations_app.lifecycle import StaleTransition
from migrations_app.models import Migration
from migrations_app.services import runs
from portal.access import person
from portal.http import address_of
from portal.wizard.estimate import basis_of, estimate
from portal.wizard.review import decisions, effects, source_effects, start_words
from portal.wizard.seen import CONFLICT, databases_mark, endpoint_mark, is_stale, mark, options_mark, setup_mark
from portal.wizard.steps import rail, url_of

TIME_IS_OVER = "The chosen start time is over. Choose another one, or start at once."


def review(request: HttpRequest, migration: Migration) -> HttpResponse:
    """Show the review, or start the migration."""
    problem = ""
    if request.method == "POST":
        problem = _problem(request, migration)
        if not problem:
            try:
                runs.migration_start(migration.pk, actor=person(request), address=address_of(request))
                return redirect("migration", pk=migration.pk)
            except EngineError as error:
                problem = f"{error.message} {error.hint}"
            except StaleTransition:
                messages.info(request, "It was started already.")
                return redirect("migration", pk=migration.pk)
    return render(request, "wizard/review.html", _context(migration, problem=problem))


def _problem(request: HttpRequest, migration: Migration) -> str:
    if is_stale(request.POST.get("seen", ""), current=_mark(migration)):
        return CONFLICT.split(". ")[0] + ". Read it again before you start."
    if migration.scheduled_at and migration.scheduled_at <= timezone.now():
        return TIME_IS_OVER
    return ""


def _mark(migration: Migration) -> str:
    """Return the mark of everything: a start agrees to what was read."""
    return mark(
        [
            setup_mark(migration),
            endpoint_mark(migration.source),
            endpoint_mark(migration.target),
            databases_mark(migration),
            options_mark(migration),
            [row.selection for row in migration.databases.all()],
        ]
    )


def _context(migration: Migration, *, problem: str) -> dict[str, object]:
    return {
        "migration": migration,
        "step": "review",
        "steps": rail(migration, current="review"),
        "decisions": decisions(migration),
        "effects": effects(migration),
        "source_effects": source_effects(migration),
        "estimate": estimate(migration),
        "basis": basis_of(migration),
        "start_words": start_words(migration),
        "seen": _mark(migration),
        "problem": problem,
        "back_url": url_of(migration, "options"),
    }
