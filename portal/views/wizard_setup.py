"""The setup step, for a new draft and for one that exists."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from migrations_app.engine.providers import provider_by_key
from migrations_app.engine.providers.modes import CHOOSE_OFFLINE, why_offline_only
from migrations_app.models import Migration, SourceType
from migrations_app.services.drafts import draft_create, draft_set_setup
from portal.access import person
from portal.forms.setup import SetupForm
from portal.http import address_of
from portal.wizard import seen
from portal.wizard.connection_hints import FIRST_TYPES
from portal.wizard.steps import rail, url_of

TAKEN = "Another migration took this name just now. Choose another name."


def create(request: HttpRequest) -> HttpResponse:
    """Show the empty form, or create the draft."""
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                migration = draft_create(**form.cleaned_data, actor=person(request), address=address_of(request))
            return redirect(url_of(migration, "source"))
        except IntegrityError:
            form.add_error("name", TAKEN)
    return render(request, "wizard/setup.html", _context(form, migration=None))


def change(request: HttpRequest, migration: Migration) -> HttpResponse:
    """Show or save the setup of a draft."""
    current = seen.setup_mark(migration)
    if request.method != "POST":
        values = {name: getattr(migration, name) for name in seen.SETUP_FIELDS}
        return render(request, "wizard/setup.html", _context(SetupForm(initial=values, own=migration), migration))
    form = SetupForm(request.POST, own=migration)
    if form.is_valid():
        if seen.is_stale(request.POST.get("seen", ""), current=current):
            form.add_error(None, seen.CONFLICT)
        else:
            try:
                with transaction.atomic():
                    draft_set_setup(migration, **form.cleaned_data, actor=person(request), address=address_of(request))
                return redirect(url_of(migration, "source"))
            except IntegrityError:
                form.add_error("name", TAKEN)
    return render(request, "wizard/setup.html", _context(form, migration))


def _context(form: SetupForm, migration: Migration | None) -> dict[str, Any]:
    labels = dict(SourceType.choices)
    types = [_card(str(value), labels[value]) for value in SourceType.values]
    first = [str(value) for value in FIRST_TYPES]
    return {
        "form": form,
        "migration": migration,
        "step": "setup",
        "steps": rail(migration, current="setup"),
        "seen": seen.setup_mark(migration) if migration else "",
        "first_types": [_card(value, labels[value]) for value in first],
        "other_types": sorted((card for card in types if card["value"] not in first), key=_by_label),
        "chosen_type": form["source_type"].value(),
        "chosen_is_other": form["source_type"].value() not in [None, "", *first],
        "next_title": "source server",
    }


def _by_label(card: dict[str, str]) -> tuple[bool, str]:
    """What is in no list comes last."""
    return card["value"] == SourceType.OTHER, card["label"].casefold()


def _card(value: str, label: str) -> dict[str, str]:
    why = why_offline_only(value)
    return {
        "value": value,
        "label": label,
        "online": provider_by_key(value).online,
        "offline_only": why and f"{why} {CHOOSE_OFFLINE}",
    }
